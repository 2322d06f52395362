"""What a run needs besides weights, optimizer and schedule to go on with the numbers of the
uninterrupted one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..models import HCSC
from ..utils.wrappers import unwrapped


def gather_state(runner: Runner, batches_done: int) -> dict[str, Any]:
    """What belongs into the checkpoint beside mmengine's entries; every rank must call it, since
    each has a part of it.

    Args:
        batches_done: Of the current epoch; 0 between epochs.
    """
    model = unwrapped(runner.model)
    own = {"generators": generator_states(), "statistics": _running_statistics(model)}
    queue = model.queue if isinstance(model, HCSC) else None
    return {
        "world_size": get_world_size(),
        "batch_size": runner.train_dataloader.batch_size,
        "batches_done": batches_done,
        "ranks": all_gather_object(own) if get_world_size() > 1 else [own],
        # It follows from keys and hierarchy, but summed up in one go its last bit is another one
        # than of the pieces of training.
        "log_partition": [] if queue is None else [level.cpu() for level in queue.log_partition],
    }


def restore_state(runner: Runner, saved: Mapping[str, Any]) -> dict[str, Any] | None:
    """Put back what :func:`gather_state` saved for this rank, after the weights have been loaded.

    Returns:
        The generators' states, which must be restored when training goes on and not before; None if
        the ranks are not the saved ones.
    """
    model = unwrapped(runner.model)
    if isinstance(model, HCSC) and len(saved["log_partition"]) == len(model.queue.log_partition):
        for own, value in zip(model.queue.log_partition, saved["log_partition"], strict=True):
            own.copy_(value)
    if saved["world_size"] != get_world_size():
        return None
    rank = saved["ranks"][get_rank()]
    buffers = dict(model.named_buffers())
    for name, value in rank["statistics"].items():
        if name in buffers:
            buffers[name].copy_(value)
    return rank["generators"]


def generator_states() -> dict[str, Any]:
    """States of the generators that training draws from, as plain values and tensors."""
    name, keys, *rest = np.random.get_state()
    states = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_generators(states: Mapping[str, Any]) -> None:
    """Undo whatever was drawn since :func:`generator_states`."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"].cpu())
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].cpu())


def _running_statistics(model: nn.Module) -> dict[str, Tensor]:
    """Each rank has its own: DDP leaves buffers alone, and the key encoder's are brought together
    at an epoch's end only.
    """
    return {
        f"{prefix}.{name}": buffer.cpu().clone()
        for prefix, module in model.named_modules()
        if isinstance(module, _NormBase)
        for name, buffer in module.named_buffers(recurse=False)
    }
