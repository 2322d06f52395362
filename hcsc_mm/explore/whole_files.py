"""What ``utils.files`` lacks for a tree: folders and large arrays that are whole, or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import HCSCError
from ..utils.files import why_not_writable, write_text, written_whole


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """A folder to write files to, which becomes ``path`` at the end, in the place of what had the
    name before; on an error nothing is left of it.
    """
    aside = path.with_name(f"{path.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for file in aside.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        make_room(path)
        os.replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def full_disk_is_said(folder: Path, advice: str) -> Iterator[None]:
    """Turn the error of a full disk into one that says which disk, and what to do.

    Args:
        folder: That is written to.
        advice: What to do when there is room.

    Raises:
        HCSCError: the disk, or what a user may use of it, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise HCSCError(
            f"there is no room on the disk of {folder} ({os.strerror(error.errno)}); make some, "
            f"and {advice}"
        ) from error


def check_writable(folder: Path) -> None:
    """See, before the work, whether files can be made in a folder that may not be there yet.

    Raises:
        HCSCError: they cannot.
    """
    why = why_not_writable(folder)
    if why is not None:
        raise HCSCError(f"cannot make files in {folder}: {why}; name another folder, or mend it")


def make_room(path: Path) -> None:
    """Remove a file or a folder, if there is one: a folder takes no name that is in use, and a file
    none of a folder.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_array(
    path: Path, pieces: Iterable[NDArray], shape: tuple[int, ...], dtype: DTypeLike
) -> None:
    """An array as .npy, piece by piece: its rows never lie in memory all at once.

    Through a plain file and not a memory map: on a full disk a map ends the process without a word.

    Args:
        path: Path of the file.
        pieces: Rows, in order; they add up to ``shape``.
        shape: Shape of the whole array.
        dtype: Type of the file's values.
    """
    with written_whole(path) as aside, open(aside, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
        written = 0
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype=dtype))
            written += len(piece)
        if written != shape[0]:
            raise RuntimeError(f"{written} of {shape[0]} rows were given for {path}")


def open_array(path: Path) -> NDArray:
    """An array of :func:`write_array`; only what is used is read, and changes stay in memory."""
    return np.load(path, mmap_mode="c", allow_pickle=False)


def write_json(path: Path, content: Any) -> None:
    """A JSON file of ASCII text; non-finite numbers are refused."""
    write_text(path, json.dumps(content, allow_nan=False))
