"""Files of the page: whole or not there at all, and readable without a server."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np

from ...errors import HCSCError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it: the name stands for a whole file or for none.

    Raises:
        HCSCError: the disk is full, or the folder cannot be written to.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        os.replace(aside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> HCSCError:
    """The one line about a file that could not be written."""
    return HCSCError(
        f"cannot write {path} ({error.strerror}); make room or another folder writable, and run "
        "the same command again: what is whole is kept"
    )


def is_whole(path: Path) -> bool:
    """Whether :func:`write_whole` wrote it; after a power cut a renamed file may be empty."""
    return path.is_file() and path.stat().st_size > 0


def script(key: str, data: object) -> bytes:
    """Data as a script that hands them to the page.

    A page that is opened by double click may not ``fetch`` the files beside it, yet it may load
    them as scripts. ASCII alone, so that no encoding and no line separator of Unicode matters.

    Args:
        key: What the page asked for.
        data: Of plain values; no NaN (:func:`number`).
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
