"""Checkpoints on disk: the newest whole one, and what one may hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

from ..errors import HCSCError
from ..utils.safe_load import find_damage, load_data

_NEEDED_TO_RESUME = ("state_dict", "optimizer", "message_hub", "meta")


def newest_checkpoint(folder: str | os.PathLike) -> str | None:
    """The newest whole checkpoint of a work folder that a run can go on from; None if there is no
    checkpoint at all.

    Weights alone, such as those of ``save_best``, do not count. Damaged files are passed over with
    a warning.

    Raises:
        HCSCError: there are checkpoints, and all of them are damaged; starting anew must be the
            user's decision.
    """
    damaged = []
    for path in _by_age(folder):
        problem = _why_not(path)
        if problem is None:
            return str(path)
        if problem:
            damaged.append(path)
            print_log(f"passed over {path}: {problem}", logger="current", level=30)
    if damaged:
        raise HCSCError(
            f"none of the {len(damaged)} checkpoints in {folder} can be resumed from; remove them "
            "to start anew"
        )
    return None


def _by_age(folder: str | os.PathLike) -> list[Path]:
    """Checkpoints of the folder and of the one that ``last_checkpoint`` points to, newest first."""
    folders, pointer = {Path(folder)}, Path(folder) / "last_checkpoint"
    if pointer.is_file():
        folders.add(Path(pointer.read_text().strip()).parent)
    files = {path.resolve() for each in folders for path in each.glob("*.pth") if path.is_file()}
    return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _why_not(path: Path) -> str | None:
    """What keeps a file from being resumed from; None: nothing, '': it was never meant for it."""
    problem = find_damage(path)
    if problem is not None:
        return problem
    try:
        checkpoint = load_data(path, map_location="cpu", mmap=True)
    except HCSCError as error:
        return error.one_line()
    return (
        None
        if isinstance(checkpoint, dict) and all(key in checkpoint for key in _NEEDED_TO_RESUME)
        else ""
    )


def to_plain(value: Any, place: str = "checkpoint") -> Any:
    """The same in tensors, numbers, text and plain containers, which
    ``torch.load(weights_only=True)`` reads without further ado.

    Log histories become dicts of tensors, see :func:`histories_from_plain`. What has no plain form
    is left out, with a warning.
    """
    if isinstance(value, np.generic):  # first: NumPy's float64 is a float, too
        return value.item()
    if value is None or isinstance(
        value, (torch.Tensor, str, bytes, bool, int, float, torch.dtype, torch.device)
    ):
        return value
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {
            "log": torch.as_tensor(log),
            "count": torch.as_tensor(count),
            "max_length": value.max_length,
        }
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: to_plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        items = [to_plain(item, f"{place}[]") for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    print_log(
        f"{place} is a {type(value).__name__} and is not saved: it has no plain form",
        logger="current",
        level=30,
    )
    return None


def histories_from_plain(message_hub: dict) -> dict:
    """The message hub's state with log histories, where :func:`to_plain` made dicts of them."""
    scalars = {
        name: HistoryBuffer(value["log"].tolist(), value["count"].tolist(), value["max_length"])
        if isinstance(value, dict)
        else value
        for name, value in message_hub["log_scalars"].items()
    }
    return {**message_hub, "log_scalars": scalars}
