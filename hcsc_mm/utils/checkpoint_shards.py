"""Files beside a checkpoint, one per process, for what no process may hold as a whole.

The checkpoint itself is written last, and knows them by number and by a name that they share: a
file that another run, or another try, has left there is not taken for one of its own.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.fileio import get_local_path, put
from torch import Tensor

from ..errors import HCSCError
from .agreement import on_main_process, raise_together
from .safe_load import load_data
from .shard import shard_slice

SHARDS_KEY = "shards"  # the entry of the checkpoint
_ID = "id"


def shard_file(path: str | os.PathLike, rank: int, count: int) -> str:
    """Name of the file of a process, of ``count`` beside the checkpoint ``path``."""
    return f"{shard_prefix(path)}{rank}of{count}"


def shard_prefix(path: str | os.PathLike) -> str:
    """What the names of a checkpoint's shards begin with; no loader takes them for checkpoints."""
    return f"{os.fspath(path)}.shard"


def write_shards(
    path: str, content: Mapping[str, Any], backend_args: dict | None
) -> dict[str, Any] | None:
    """Write each process's file, all of them together.

    Args:
        path: Of the checkpoint that they will stand beside.
        content: This process's tensors and plain values; empty on all of them: no file.
        backend_args: mmengine's, of the place to write to.

    Returns:
        The checkpoint's entry :data:`SHARDS_KEY`; None without files.

    Raises:
        HCSCError: on all processes, one of them could not write its file.
    """
    if not content:
        return None
    entry = {"count": get_world_size(), _ID: on_main_process(lambda: uuid.uuid4().hex)}
    file, buffer = shard_file(path, get_rank(), get_world_size()), io.BytesIO()
    torch.save({**content, _ID: entry[_ID]}, buffer)
    problem = None
    try:
        put(buffer.getbuffer(), file, backend_args=backend_args)
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"cannot write {file} ({reason}); make room there and go on with --resume"
    raise_together(problem, "writing the shards of a checkpoint")
    return entry


def read_rows(
    path: str | os.PathLike,
    entry: Mapping[str, Any],
    part: slice,
    total: int,
    find: Callable[[Mapping[str, Any]], Sequence[Tensor]],
) -> list[Tensor]:
    """Some of the rows that a checkpoint's shards hold together, whatever wrote how many of them.

    Args:
        path: Of the checkpoint.
        entry: Its :data:`SHARDS_KEY`.
        part: Rows to read, of the ``total``.
        total: Rows of all shards, which hold them as :func:`shard_slice` says.
        find: The tensors in a shard's content, one row per sample.

    Returns:
        (part, …) for each tensor, on the CPU.

    Raises:
        HCSCError: a file is not there, or belongs to another checkpoint.
    """
    pieces = []
    for rank in range(entry["count"]):
        held = shard_slice(total, rank, entry["count"])
        start, stop = max(part.start, held.start), min(part.stop, held.stop)
        if start < stop:
            content = _read(shard_file(path, rank, entry["count"]), entry)
            rows = slice(start - held.start, stop - held.start)
            # a copy: the file is mapped into memory, and may be gone before the rows are
            pieces.append([tensor[rows].clone() for tensor in find(content)])
    return [torch.cat(tensors) for tensors in zip(*pieces, strict=True)]


def what_is_wrong(path: str | os.PathLike, checkpoint: Mapping[str, Any]) -> str | None:
    """What keeps a checkpoint's shards from being read, as the end of a sentence; None: nothing, or
    it has none.
    """
    entry = checkpoint.get(SHARDS_KEY)
    try:
        for rank in range(entry["count"] if entry else 0):
            _read(shard_file(path, rank, entry["count"]), entry)
    except HCSCError as error:
        return f"cannot be read whole: {error.one_line()}"
    return None


def _read(file: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    advice = "copy a checkpoint with the files that its name begins, or resume from another one"
    try:
        with get_local_path(file) as local:
            content = load_data(local, map_location="cpu", mmap=True)
    except OSError as error:
        raise HCSCError(f"{file}: {error.strerror or error}; {advice}") from error
    if content.get(_ID) != entry[_ID]:
        raise HCSCError(f"{file} belongs to another checkpoint of the name; {advice}")
    return content
