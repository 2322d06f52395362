"""Decoded images kept in memory: each file is read and decoded once in a run, not once an epoch."""

from __future__ import annotations

import hashlib
import inspect
import mmap
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..errors import HCSCError
from .transforms.pictures import size_of
from .transforms.shrink import shrink, shrunk_size

_MIB = 2**20
_LOOKED_AT = 200  # headers, evenly spread, from which the size of all images is estimated
_MARGIN = 1.1  # on that estimate

_ROW = np.dtype(
    [("path", "u8"), ("start", "i8"), ("size", "i4", 2), ("original", "i4", 2), ("whole", "?")]
)


class ImageMemory:
    """Room for the decoded images of a data set, shared by its loader's workers.

    The room is one anonymous shared mapping, which takes memory only as it is filled: workers
    inherit it when they are forked, what one has decoded the others find, and it outlives them from
    epoch to epoch. It has nothing to do with ``/dev/shm``, which is small in containers. An image
    is the same whether it comes from here or from its file, so that a run can be resumed exactly,
    and with another budget. Several processes on one machine have a room each.

    Args:
        paths: Paths of the images, in the order of the data set.
        budget_mb: Memory for the decoded images in MiB, per process. If the images would take more,
            by an estimate from up to 200 of them, none is kept and one line of the log says so.
            None: half of the memory that is available now.
        short_side: Images whose shorter side has more pixels are shrunk to it, whether they are
            kept or not. About 2.2 times the size of the views, so that a crop of a fifth of the
            area has the pixels of a view. None: images stay as they are.
        long_side: Likewise of the longer side; twice ``short_side`` by default.

    Raises:
        HCSCError: a number that is not positive, or a long side below the short one.
    """

    def __init__(
        self,
        paths: Sequence[str],
        budget_mb: float | None = None,
        short_side: int | None = None,
        long_side: int | None = None,
    ) -> None:
        if budget_mb is not None and not budget_mb > 0:
            raise HCSCError(
                f"budget_mb={budget_mb} of an image memory must be above 0; leave memory out to "
                "decode images in each epoch"
            )
        if short_side is None and long_side is not None:
            raise HCSCError("long_side of an image memory needs a short_side beside it")
        if short_side is not None and not 0 < short_side <= (long_side or 2 * short_side):
            raise HCSCError(
                f"short_side={short_side} of an image memory must be at least 1 and at most "
                f"long_side={long_side}"
            )
        self.short_side = short_side
        self.long_side = long_side or (None if short_side is None else 2 * short_side)
        self._room: mmap.mmap | None = None
        budget = available_memory() / 2 if budget_mb is None else budget_mb * _MIB
        expected = self._expected_bytes(paths)
        self._say(len(paths), expected, budget)
        if self._obstacle(expected, budget) is None:
            # As large as the budget if the estimate was too low: what is not filled takes nothing.
            self._open(len(paths), int(min(budget, 2 * expected + _MIB)))

    def __deepcopy__(self, memo: dict) -> ImageMemory:
        """A subset of a data set shares the room; images are known by their paths, too."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """For a process that is started anew, which cannot see the room."""
        return {"short_side": self.short_side, "long_side": self.long_side, "_room": None}

    def recall(self, index: int, path: str) -> tuple[np.ndarray, tuple[int, int]] | None:
        """The image, or None if it is not here (yet).

        Args:
            index: Place of the image in the data set.
            path: Its file, to be sure that it is this image.

        Returns:
            (H, W, 3) uint8, BGR, shrunk, the caller's own copy; and height and width before it was
            shrunk.
        """
        if self._room is None or not 0 <= index < len(self._rows):
            return None
        with self._lock:
            row = self._rows[index].copy()
        if not row["whole"] or row["path"] != _digest(path):
            return None
        height, width = row["size"].tolist()
        pixels = np.frombuffer(self._room, np.uint8, height * width * 3, int(row["start"]))
        return pixels.reshape(height, width, 3).copy(), tuple(row["original"].tolist())

    def shrink(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 → the same or a smaller one, as it is to be used and kept."""
        if self.short_side is None:
            return image
        return shrink(image, self.short_side, self.long_side)

    def keep(self, index: int, path: str, pixels: np.ndarray, original: tuple[int, int]) -> None:
        """Keep an image in colours, if there is room and nobody has kept it before.

        Args:
            index, path: Which image it is, as in :meth:`recall`.
            pixels: (H, W, 3) uint8, shrunk already.
            original: Height and width before.
        """
        if self._room is None or not 0 <= index < len(self._rows):
            return
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            return  # grey or deep images are decoded each time
        with self._lock:
            start = int(self._filled[0])
            if self._rows[index]["whole"] or start + pixels.nbytes > len(self._room):
                return
            self._filled[0] = start + pixels.nbytes
        place = np.frombuffer(self._room, np.uint8, pixels.nbytes, start)
        place[:] = np.ascontiguousarray(pixels).reshape(-1)
        with self._lock:
            self._rows[index] = (_digest(path), start, pixels.shape[:2], original, True)

    @property
    def num_kept(self) -> int:
        """Number of images that are here now."""
        return 0 if self._room is None else int(np.count_nonzero(self._rows["whole"]))

    def _open(self, num_images: int, num_bytes: int) -> None:
        self._room = mmap.mmap(-1, num_bytes)
        table = mmap.mmap(-1, 8 + num_images * _ROW.itemsize)
        self._filled = np.frombuffer(table, np.int64, 1)  # bytes given away
        self._rows = np.frombuffer(table, _ROW, num_images, 8)
        self._lock = multiprocessing.get_context("fork").Lock()

    def _expected_bytes(self, paths: Sequence[str]) -> int:
        """About what all images take; 0 if none of those looked at has a readable header."""
        taken = []
        for path in paths[:: max(1, len(paths) // _LOOKED_AT)]:
            size = size_of(path)
            if size is not None:
                if self.short_side is not None:
                    size = shrunk_size(size, self.short_side, self.long_side)
                taken.append(3 * size[0] * size[1])
        return int(_MARGIN * np.mean(taken) * len(paths)) if taken else 0

    def _obstacle(self, expected: int, budget: float) -> str | None:
        if "fork" not in multiprocessing.get_all_start_methods() or (
            multiprocessing.get_start_method(allow_none=True) not in (None, "fork")
        ):
            return "loader workers that are not forked (mp_start_method) do not share memory"
        if expected == 0:
            return "none of the files looked at is a local image"
        if expected > budget:
            return f"they would take about {_mib(expected)} MiB, and budget_mb is {_mib(budget)}"
        return None

    def _say(self, num_images: int, expected: int, budget: float) -> None:
        obstacle = self._obstacle(expected, budget)
        size = "" if self.short_side is None else f", shorter side at most {self.short_side}"
        if obstacle is None:
            text = (
                f"{num_images:,} images are kept in memory once decoded{size}: about "
                f"{_mib(expected)} MiB of budget_mb={_mib(budget)}"
            )
        else:
            text = f"images are decoded anew in each epoch, not kept in memory{size}: {obstacle}"
        print_log(text, logger="current")


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an :class:`ImageMemory` from a config.

    Raises:
        HCSCError: there is one that it does not have.
    """
    known = list(inspect.signature(ImageMemory).parameters)[1:]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise HCSCError(f"memory has no option {unknown[0]!r}; it has {', '.join(known)}")
    return dict(options)


def available_memory() -> int:
    """Bytes of memory that this machine, or this container, has left."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/proc/meminfo") as file:  # counts what caches would give back
            lines = dict(line.split(":", 1) for line in file)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass  # not Linux: free pages are what is known
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            with open(limit) as most, open(used) as now:
                free = min(free, int(most.read()) - int(now.read()))
        except (OSError, ValueError):
            continue  # no such limit, or 'max'
    return max(0, free)


def _mib(num_bytes: float) -> str:
    mib = num_bytes / _MIB
    return f"{mib:,.0f}" if mib >= 10 else f"{mib:.2g}"


def _digest(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "little")
