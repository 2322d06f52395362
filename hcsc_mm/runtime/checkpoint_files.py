"""Checkpoints on disk: the newest whole one, and what one may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

from ..errors import HCSCError
from ..utils.checkpoint_shards import what_is_wrong
from ..utils.safe_load import find_damage, load_data

_NEEDED_TO_RESUME = ("state_dict", "optimizer", "message_hub", "meta")


def newest_checkpoint(folder: str | os.PathLike) -> str | None:
    """The newest whole checkpoint of a work folder that a run can go on from; None if there is no
    checkpoint at all.

    Weights alone, such as those of ``save_best``, are passed over, and damaged files with a
    warning.

    Raises:
        HCSCError: there are checkpoints, and none of them can be gone on from; starting anew, and
            over them, must be the user's decision.
    """
    passed_over = {}
    for path in _by_age(folder):
        problem = why_not_resumable(path)
        if problem is None:
            return str(path)
        passed_over[path] = problem
        if not problem.startswith(_LACKS):
            print_log(f"passed over {path}: {problem}", logger="current", level=30)
    if passed_over:
        path, problem = next(iter(passed_over.items()))
        raise HCSCError(
            f"none of the {len(passed_over)} checkpoints in {folder} can be resumed from: "
            f"{path.name} {problem}; start anew in another --work-dir, or move them away"
        )
    return None


def check_nothing_is_written_over(
    folder: str | os.PathLike, templates: Sequence[str], source: str | None
) -> None:
    """Refuse a folder that holds the checkpoints of another run.

    Args:
        folder: Where a run is to write its own.
        templates: Their names, with {} for the number.
        source: The checkpoint that the run goes on from; None if it starts anew. A folder that it
            lies in is its own.

    Raises:
        HCSCError: there are checkpoints of another run; one of them is named.
    """
    patterns = [re.sub(r"{[^}]*}", "*", template) for template in templates]
    found = [path for pattern in patterns for path in Path(folder).glob(pattern)]
    own = source is not None and Path(source).resolve().parent == Path(folder).resolve()
    if not found or own:
        return
    newest = max(found, key=lambda path: path.stat().st_mtime_ns).name
    whose = f"other checkpoints than {source}" if source else "the checkpoints of another run"
    raise HCSCError(
        f"{folder} holds {whose}, {newest} among them, and this one would write over them; go on "
        "with that run by --resume, choose another --work-dir, or move them away"
    )


_LACKS = "lacks "


def _by_age(folder: str | os.PathLike) -> list[Path]:
    """Checkpoints of the folder and of the one that ``last_checkpoint`` points to, newest first."""
    folders, pointer = {Path(folder)}, Path(folder) / "last_checkpoint"
    if pointer.is_file():
        folders.add(Path(pointer.read_text().strip()).parent)
    files = {path.resolve() for each in folders for path in each.glob("*.pth") if path.is_file()}
    return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def why_not_resumable(path: str | os.PathLike) -> str | None:
    """What keeps a file from being resumed from, as the end of a sentence; None: nothing."""
    problem = find_damage(path)
    if problem is not None:
        return problem
    try:
        checkpoint = load_data(path, map_location="cpu", mmap=True)
        return what_is_missing(checkpoint) or what_is_wrong(path, checkpoint)
    except HCSCError as error:
        return error.one_line()


def what_is_missing(checkpoint: Any) -> str | None:
    """What a loaded checkpoint lacks for a resume, as the end of a sentence; None: nothing."""
    if not isinstance(checkpoint, Mapping):
        return "is no checkpoint of a run"
    missing = [key for key in _NEEDED_TO_RESUME if key not in checkpoint]
    return f"{_LACKS}{' and '.join(missing)}" if missing else None


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
    """The message hub's state with log histories, where :func:`to_plain` made dicts of them, and
    without the names of what is not saved, of each of which mmengine would warn.
    """
    scalars = {
        name: HistoryBuffer(value["log"].tolist(), value["count"].tolist(), value["max_length"])
        if isinstance(value, dict)
        else value
        for name, value in message_hub["log_scalars"].items()
    }
    saved = {*scalars, *message_hub["runtime_info"]}
    names = {name: kept for name, kept in message_hub["resumed_keys"].items() if name in saved}
    return {**message_hub, "log_scalars": scalars, "resumed_keys": names}
