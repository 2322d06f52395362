"""A column of strings on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .files import column_file


class Strings:
    """Strings by number, read from disk as they are asked for: a million paths need no memory.

    Args:
        folder: A :class:`StringsWriter` wrote it there.
        name: Name of the column.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._made_from = (folder, name)
        self._ends = np.load(folder / f"{name}.ends.npy", mmap_mode="r")  # (N,) int64
        text = folder / f"{name}.text"
        self._text = np.memmap(text, np.uint8, "r") if text.stat().st_size else np.empty(0, "u1")

    def __reduce__(self) -> tuple:
        return Strings, self._made_from  # to another process go names, not contents

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self):
            raise IndexError(f"{number} of {len(self)} strings")
        start = int(self._ends[number - 1]) if number else 0
        return self._text[start : int(self._ends[number])].tobytes().decode()


class StringsWriter:
    """Stores strings that come in batches.

    Args:
        folder: Folder to write to; it exists.
        name: Name of the column.
        number: Number of strings, all batches together.
    """

    def __init__(self, folder: Path, name: str, number: int) -> None:
        self._ends = column_file(folder / f"{name}.ends.npy", np.int64, (number,))
        self._file = open(folder / f"{name}.text", "wb")  # noqa: SIM115  closed by close()
        self._done = self._end = 0

    def append(self, batch: Iterable[str | None]) -> None:
        """None becomes the empty string."""
        encoded = [(text or "").encode() for text in batch]
        self._file.write(b"".join(encoded))
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self._ends[self._done : self._done + len(encoded)] = self._end + np.cumsum(lengths)
        self._done += len(encoded)
        self._end += int(lengths.sum())

    def close(self) -> None:
        self._file.close()
        self._ends.flush()
