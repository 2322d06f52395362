"""Training on a store of images, and what it saw; new processes import this by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from tiny import folder_config

from hcsc_mm.runtime.launch import build_runner


class KilledError(Exception):
    pass


class Batches(Hook):
    """A digest of the pixels and numbers of each batch, and the losses; ends the run after a
    step.
    """

    priority = "LOWEST"

    def __init__(self, last_step: int | None = None) -> None:
        self.last_step = last_step
        self.batches: list[str] = []
        self.losses: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        found = hashlib.sha256()
        for view in data_batch["inputs"]:
            for image in view:
                found.update(image.numpy().tobytes())
        found.update(repr([sample.sample_idx for sample in data_batch["data_samples"]]).encode())
        self.batches.append(found.hexdigest())
        self.losses.append(float(outputs["loss"].detach()))
        if runner.iter + 1 == self.last_step:
            raise KilledError


def config_of(work_dir: Path, dataset: Mapping[str, Any]) -> Config:
    """The small config for a folder, with the images of a store."""
    cfg = folder_config(work_dir, work_dir)
    pipeline = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset = ConfigDict(**dataset, pipeline=pipeline)
    return cfg


@dataclass
class TrainingOnStore:
    """Two epochs on all ranks, told by the store's name."""

    name: str
    work_dir: Path
    dataset: Mapping[str, Any]

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self) -> dict[str, Any]:
        cfg = config_of(self.work_dir, self.dataset)
        cfg.launcher = "pytorch"
        os.environ["LOCAL_RANK"] = str(get_rank())
        cfg.train_dataloader.batch_size = 8  # on each rank
        runner, batches = build_runner(cfg), Batches()
        runner.register_hook(batches)
        runner.train()
        return {"batches": batches.batches, "losses": batches.losses}
