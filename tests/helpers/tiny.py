"""The digits config, small enough to train in a second or two."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hcsc_mm.runtime.launch import build_runner, load_config

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "configs" / "hcsc_r18_digits.py"

TINY = {
    "train_dataloader.dataset.indices": 100,
    "train_dataloader.batch_size": 16,
    "train_dataloader.num_workers": 0,
    "train_cfg.max_epochs": 3,
    "model.queue_len": 40,  # a batch of 16 does not divide it
    "model.backbone.stem_channels": 4,
    "model.backbone.base_channels": 4,
    "model.neck.in_channels": 32,
    "model.neck.hid_channels": 32,
    "model.neck.out_channels": 16,
    "default_hooks.clustering.num_prototypes": (12, 6, 3),
    "default_hooks.clustering.warmup_epochs": 1,
    "default_hooks.checkpoint.interval": 1,
    "default_hooks.checkpoint.max_keep_ckpts": -1,
    "default_hooks.logger.interval": 1,
}


def tiny_config(work_dir: Path, **options) -> Config:
    """The tiny config; options are ``--cfg-options`` with '__' for '.'."""
    cfg = load_config(str(DIGITS))
    cfg.merge_from_dict(
        {**TINY, **{key.replace("__", "."): value for key, value in options.items()}}
    )
    cfg.custom_hooks = []  # for tests to add theirs
    cfg.work_dir, cfg.launcher, cfg.log_level = str(work_dir), "none", "WARNING"
    # Loggers live on by their names: every run has one of its own, and its log file with it.
    cfg.experiment_name = str(work_dir).replace("/", "_")
    return cfg


def folder_config(tmp_path: Path, images: Path, unreadable: str = "stop") -> Config:
    """The tiny model on a folder of 32 photographs-to-be."""
    cfg = tiny_config(
        tmp_path / "run", train_cfg__max_epochs=2, default_hooks__clustering__num_prototypes=(8, 3)
    )
    load = dict(type="hcsc_mm.LoadImage", unreadable=unreadable)
    view = [dict(type="RandomResizedCrop", scale=16)]
    cfg.train_dataloader.dataset = dict(
        type="hcsc_mm.ImageFolder",
        data_root=str(images),
        pipeline=[
            load,
            dict(type="MultiView", num_views=2, transforms=[view]),
            dict(type="PackInputs"),
        ],
    )
    cfg.default_hooks.clustering.pipeline = [
        load,
        dict(type="Resize", scale=16),
        dict(type="PackInputs"),
    ]
    return cfg


class Record(Hook):
    """What a run did: the loss of each step and the hierarchy of each epoch."""

    priority = "LOW"

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.loss_names: list[set[str]] = []
        self.hierarchies: dict[int, object] = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses.append(float(outputs["loss"].detach()))
        self.loss_names.append({name for name in outputs if "loss" in name})

    def after_train_epoch(self, runner) -> None:
        # MoCo v2 clusters nothing
        self.hierarchies[runner.epoch] = getattr(runner.model, "hierarchy", None)


def train(cfg: Config) -> tuple[Runner, Record]:
    """Train to the end in this process."""
    runner, record = build_runner(cfg), Record()
    runner.register_hook(record)
    runner.train()
    return runner, record


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest absolute difference of two state dicts with the same names."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
