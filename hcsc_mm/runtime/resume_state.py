"""What a run needs besides weights, optimizer and schedule to go on as if never interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..utils.models import unwrapped
from ..utils.random_states import generator_states
from .taking_part import KeepsResumeState


def gather_state(runner: Runner, batches_done: int) -> dict[str, Any]:
    """What belongs into the checkpoint beside mmengine's entries; every rank must call it.

    Args:
        runner: The runner, in training.
        batches_done: Batches of the current epoch that are done; 0 between epochs.
    """
    model = unwrapped(runner.model)
    own = {"generators": generator_states(), "statistics": _running_statistics(model)}
    return {
        "world_size": get_world_size(),
        "batch_size": runner.train_dataloader.batch_size,
        "batches_done": batches_done,
        "ranks": all_gather_object(own) if get_world_size() > 1 else [own],
        "modules": {name: module.resume_state() for name, module in _keepers(model)},
    }


def restore_state(runner: Runner, saved: Mapping[str, Any]) -> dict[str, Any] | None:
    """Put back what :func:`gather_state` saved for this rank, after the weights have been loaded.

    Returns:
        The generators' states, which must be restored when training goes on and not before; None
        if the ranks are not the saved ones.
    """
    model = unwrapped(runner.model)
    states = saved.get("modules", {})  # checkpoints of 0.1.0 have none
    for name, module in _keepers(model):
        if name in states:
            module.load_resume_state(states[name])
    if saved["world_size"] != get_world_size():
        return None
    rank = saved["ranks"][get_rank()]
    buffers = dict(model.named_buffers())
    for name, value in rank["statistics"].items():
        if name in buffers:
            buffers[name].copy_(value)
    return rank["generators"]


def _keepers(model: nn.Module) -> list[tuple[str, KeepsResumeState]]:
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, KeepsResumeState)
    ]


def _running_statistics(model: nn.Module) -> dict[str, Tensor]:
    """Of each rank: DDP leaves buffers alone, and nothing else brings them together in an epoch."""
    return {
        f"{prefix}.{name}": buffer.cpu().clone()
        for prefix, module in model.named_modules()
        if isinstance(module, _NormBase)
        for name, buffer in module.named_buffers(recurse=False)
    }
