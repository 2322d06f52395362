"""Files of the page: whole or not there at all, and readable without a server."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from ...errors import HCSCError
from ...utils.files import write_bytes


def write_whole(path: Path, content: bytes) -> None:
    """A file of the page.

    Raises:
        HCSCError: the disk is full, or the folder cannot be written to.
    """
    try:
        write_bytes(path, content)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> HCSCError:
    """The one line about a file that could not be written."""
    return HCSCError(
        f"cannot write {path} ({error.strerror or error}); make room or another folder writable, "
        "and run the same command again: what is whole is kept"
    )


def column_file(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.ndarray:
    """A new array on disk, to be filled in any order.

    Raises:
        OSError: the disk has no room for it. Without room set aside, a full disk would end the
            process without a word when the array is written to.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def script(key: str, data: object) -> bytes:
    """Data as a script that hands them to the page.

    A page that is opened by double click may not ``fetch`` the files beside it, yet it may load
    them as scripts. ASCII alone, so that no encoding and no line separator of Unicode matters.

    Args:
        key: What the page asked for.
        data: Plain values without NaN (see :func:`number`).
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return f"treePage.deliver({json.dumps(key)},{text});\n".encode("ascii")


def number(value: float | None, digits: int = 3) -> float | None:
    """Rounded, and None for what is no number: JSON has none for it."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def numbers(values: np.ndarray, digits: int = 3) -> list[float | None]:
    """:func:`number` of each."""
    rounded = np.round(np.asarray(values, dtype=np.float64), digits)
    return [value if math.isfinite(value) else None for value in rounded.tolist()]
