"""The index of tar shards: one file that processes map into memory, so that a machine holds the
names of ten million images once, and they are there at once.

The file: 8 bytes that name the format, the length of a header, the header in JSON, rows of 32
bytes, and the names of the images in the rows' order, with NUL behind each.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from glob import glob, has_magic
from typing import Any

import numpy as np

from ..errors import HCSCError
from ..installed import tool_command
from ..utils.files import written_whole
from ..utils.text import first_line, one_line_path

ROW = np.dtype(
    [
        ("name", "<u8"),  # where it begins among the names
        ("start", "<u8"),  # of the image in its shard, bytes
        ("size", "<u4"),  # of the image, bytes
        ("length", "<u4"),  # of the name, bytes
        ("shard", "<u4"),
        ("label", "<i4"),  # -1: none
    ]
)
ALL = "*.tar"
_FORMAT = b"HCSCTAR1"
_LENGTH = struct.Struct("<Q")
_FRONT = len(_FORMAT) + _LENGTH.size


@dataclass(frozen=True)
class Shard:
    """What a shard was when it was indexed.

    Attributes:
        name: Of its file, relative to the folder.
        size: Bytes.
        modified: Whole seconds, as archivers and copies between file systems keep them.
    """

    name: str
    size: int
    modified: int

    @classmethod
    def at(cls, path: str) -> Shard:
        """The shard as it is now."""
        status = os.stat(path)
        return cls(os.path.basename(path), status.st_size, int(status.st_mtime))


class TarIndex:
    """Where the images of a folder's shards lie.

    Args:
        folder: With the shards.
        pattern: Which of its files they are.
        path: The index; None: in the folder, see :func:`index_path`.

    Attributes:
        shards: The shards, sorted by name.
        rows: (N,) of :data:`ROW`, mapped.
        classes: Names of the labels; None where they are numbers, or there are none.
        largest_label: -1 where there are none.

    Raises:
        HCSCError: there is no index, it is damaged, or the shards have changed since it was made.
    """

    def __init__(self, folder: str, pattern: str = ALL, path: str | None = None) -> None:
        self.folder, self.pattern = folder, pattern
        self.path = index_path(folder, pattern) if path is None else path
        remake = f"run {make_command(folder, pattern, path)}"
        header, start = self._map(remake)
        self.shards = tuple(Shard(*entry) for entry in header["shards"])
        self.classes, self.largest_label = header["classes"], header["largest_label"]
        _check_unchanged(folder, pattern, self.shards, remake)
        self.rows = np.frombuffer(self._file, ROW, header["rows"], start)
        self._names = start + self.rows.nbytes

    def __len__(self) -> int:
        return len(self.rows)

    def __deepcopy__(self, memo: dict) -> TarIndex:
        """A subset of a data set shares it."""
        return self

    def __reduce__(self) -> tuple:
        """A process that is started anew maps the file itself."""
        return type(self), (self.folder, self.pattern, self.path)

    def place(self, row: int) -> tuple[str, int, int, str]:
        """Shard, start and size in bytes, and name of an image; shard and name identify it."""
        _, start, size, _, shard, _ = self.rows[row].item()
        return self.shards[shard].name, start, size, self.names(row, row + 1)

    def names(self, start: int, stop: int) -> str:
        """Of the images from one row to before another, with NUL between them."""
        first = self._names + int(self.rows["name"][start])
        last = self._names + int(self.rows["name"][stop - 1]) + int(self.rows["length"][stop - 1])
        return self._file[first:last].decode(errors="surrogateescape")

    def _map(self, remake: str) -> tuple[dict[str, Any], int]:
        """Map the file; its header, and where the rows begin."""
        name = one_line_path(self.path)
        try:
            with open(self.path, "rb") as file:
                self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            if not find_shards(self.folder, self.pattern):
                raise no_shards(self.folder, self.pattern) from None
            raise HCSCError(
                f"the shards in {one_line_path(self.folder)} have no index {name}; {remake} once"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise HCSCError(f"cannot read {name} ({first_line(error)}); {remake}") from error
        try:
            if self._file[: len(_FORMAT)] != _FORMAT:
                raise ValueError("it is of another format")
            (length,) = _LENGTH.unpack(self._file[len(_FORMAT) : _FRONT])
            header = json.loads(self._file[_FRONT : _FRONT + length])
            start = _FRONT + length
            if start + header["rows"] * ROW.itemsize + header["names"] != len(self._file):
                raise ValueError("it has another length than it says")
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise HCSCError(f"{name} is no whole index ({first_line(error)}); {remake}") from error
        return header, start


def write_index(
    path: str,
    shards: Sequence[Shard],
    rows: Iterable[np.ndarray],
    names: Iterable[bytes],
    classes: Sequence[str] | None,
) -> None:
    """Write an index, whole or not at all.

    Args:
        path: Its file.
        shards: As they were when they were read.
        rows: Parts of ``(n,)`` of :data:`ROW`, in the order of the images.
        names: Parts of the names, in the same order, with NUL behind each.
        classes: Names of the labels; None: numbers, or none.

    Raises:
        OSError: it cannot be written.
    """
    rows, names = list(rows), list(names)
    header = {
        "shards": [list(asdict(shard).values()) for shard in shards],
        "classes": None if classes is None else list(classes),
        "largest_label": max((int(part["label"].max(initial=-1)) for part in rows), default=-1),
        "rows": sum(map(len, rows)),
        "names": sum(map(len, names)),
    }
    text = json.dumps(header).encode()
    text += b" " * (-(_FRONT + len(text)) % 64)  # so that rows begin where processors like them to
    with written_whole(path) as aside, open(aside, "wb") as file:
        file.write(_FORMAT + _LENGTH.pack(len(text)) + text)
        for part in rows:
            file.write(part.tobytes())
        for part in names:
            file.write(part)


def index_path(folder: str, pattern: str = ALL) -> str:
    """Where the index of a folder's shards lies: 'shards.index' for all of them, for
    'train-*.tar' 'train-_.tar.index'.
    """
    stem = "shards" if pattern == ALL else re.sub(r"[^\w.-]", "_", pattern)
    return os.path.join(folder, f"{stem}.index")


def find_shards(folder: str, pattern: str) -> list[str]:
    """Paths of the files in a folder that a pattern fits, sorted.

    Raises:
        HCSCError: the pattern is one of other folders.
    """
    if os.path.basename(pattern) != pattern:
        raise HCSCError(
            f"shards={pattern!r} is to be a pattern of names in one folder, such as 'train-*.tar'; "
            "set data_root to that folder, or to a list of several"
        )
    return sorted(filter(os.path.isfile, glob(os.path.join(_escaped(folder), pattern))))


def no_shards(folder: str, pattern: str) -> HCSCError:
    """What to say where a pattern fits none."""
    return HCSCError(
        f"no file in {one_line_path(folder)} fits shards={pattern!r}; set data_root to the folder "
        "of the tar files"
    )


def make_command(folder: str, pattern: str, path: str | None) -> str:
    """The command that makes an index."""
    words = [tool_command("index_shards"), folder]
    words += ["--shards", f"'{pattern}'"] if pattern != ALL else []
    words += ["--index", path] if path not in (None, index_path(folder, pattern)) else []
    return one_line_path(" ".join(words))


def _escaped(folder: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", folder) if has_magic(folder) else folder


def _check_unchanged(folder: str, pattern: str, shards: Sequence[Shard], remake: str) -> None:
    """Refuse shards that are other than those of the index: offsets would lead into the midst of
    images.
    """
    now = {os.path.basename(path): path for path in find_shards(folder, pattern)}
    where = one_line_path(folder)
    lost = [shard.name for shard in shards if shard.name not in now]
    if lost:
        raise HCSCError(
            f"{len(lost)} of the {len(shards)} shards in the index of {where} are not there, the "
            f"first is {one_line_path(lost[0])}; bring them back, or {remake}"
        )
    new = sorted(now.keys() - {shard.name for shard in shards})
    if new:
        raise HCSCError(
            f"among the shards in {where} {len(new)} are not in the index, the first is "
            f"{one_line_path(new[0])}; {remake} again, or name the others: shards='train-*.tar'"
        )
    changed = [shard.name for shard in shards if Shard.at(now[shard.name]) != shard]
    if changed:
        raise HCSCError(
            f"{len(changed)} of the {len(shards)} shards in {where} have changed since they were "
            f"indexed (size or time), the first is {one_line_path(changed[0])}; {remake} again"
        )
