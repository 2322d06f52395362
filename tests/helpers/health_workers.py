"""What two ranks do in the tests of stopping together; like distributed_workers, new processes
import it by name.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from bad_runs import photographs
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from tiny import folder_config, tiny_config

import hcsc_mm  # noqa: F401  first: it makes torchvision importable beside a torch of another build
from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner


def shared_folder() -> Path:
    """The same new folder on all ranks."""
    names = [tempfile.mkdtemp() if get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(names)
    return Path(names[0])


def ending(cfg, *hooks: Hook) -> dict:
    """Iterations that a rank completed, and the message that it stopped with."""
    cfg.launcher = "pytorch"
    os.environ["LOCAL_RANK"] = str(get_rank())
    runner = build_runner(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    message = None
    try:
        runner.train()
    except HCSCError as error:
        message = error.one_line()
    return {
        "iterations": runner.iter,
        "message": message,
        "files": sorted(path.name for path in Path(cfg.work_dir).glob("*.pth")),
    }


class BreakQueries(Hook):
    """One rank's query crops are NaN in one iteration, so that its loss is and the other rank's is
    not.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if get_rank() == 1 and runner.iter + 1 == 2:
            data_batch["inputs"][0] = torch.full(data_batch["inputs"][0].shape, float("nan"))


def train_with_a_nan_on_the_second_rank() -> dict:
    cfg = tiny_config(
        shared_folder(), default_hooks__non_finite__interval=3, train_dataloader__batch_size=8
    )
    return ending(cfg, BreakQueries())


def train_with_unreadable_images() -> dict:
    """Three of 32, of which each rank meets some."""
    folder = shared_folder()
    if get_rank() == 0:
        images = photographs(folder / "images")
        for name in ("03.png", "12.png", "20.png"):
            (images / name).write_bytes(b"")
    torch.distributed.barrier()
    cfg = folder_config(folder, folder / "images", "skip")
    cfg.merge_from_dict(
        {"default_hooks.clustering.warmup_epochs": 9, "train_dataloader.batch_size": 8}
    )
    return ending(cfg)
