"""Images in tar shards, read where they lie: an index says where each begins."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import one_line_path
from .image_folder import ImageFolder
from .local_stores import SHARDS as PREFIX
from .tar_index import ALL, TarIndex

_ADDRESS = re.compile(rf"{PREFIX}://(.+?)@(\d+)\+(\d+)/", re.DOTALL)
_AT_A_TIME = 1_000_000  # images


@DATASETS.register_module()
class TarImages(ImageFolder):
    """Images of tar shards as WebDataset writes them, with random access.

    ``tools/index_shards.py`` makes the index once. It is never made here: that reads a header of
    each file in each shard, which takes minutes, in every process of a run at once, where others
    wait for it; and a run may not be allowed to write beside its data. The index is mapped into
    memory, so that all processes of a machine have it together, and nothing is held for an image
    besides. A sample has ``img_path``, and ``gt_label`` where the index knows labels; shard and key
    identify an image. Images come in the order of the shards' names, and in a shard as they lie.

    Args:
        data_root: Folder of the shards, or several.
        shards: Which files of the folder are shards: 'train-*.tar' where others lie beside them.
        index: The index, where it does not lie in the folder; of several folders one for each.
        **kwargs: Further arguments of :class:`ImageFolder`, such as ``pipeline`` and ``classes``,
            which names labels that are numbers.

    Raises:
        HCSCError: there is no index, or the shards have changed since it was made.
    """

    def __init__(
        self,
        data_root: str | Sequence[str],
        shards: str = ALL,
        index: str | Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        for name in ("ann_file", "data_prefix", "backend_args", "extensions"):
            if kwargs.pop(name, None):
                raise HCSCError(
                    f"hcsc_mm.TarImages has no {name}; leave it out: it takes all images of the "
                    "index, and shards= and indices= choose among them"
                )
        roots = _each(data_root)
        paths = [None] * len(roots) if index is None else _each(index)
        if len(paths) != len(roots):
            raise HCSCError(
                f"index names {len(paths)} files for {len(roots)} folders of data_root; give one "
                "for each"
            )
        self.indexes = tuple(
            TarIndex(root, shards, path) for root, path in zip(roots, paths, strict=True)
        )
        kwargs.setdefault("classes", _classes(self.indexes))
        addresses = [f"{PREFIX}://{root}" for root in roots]
        kwargs["serialize_data"] = False  # what is in the index takes no memory as it is
        super().__init__(data_root=addresses, **kwargs)

    def load_data_list(self) -> Sequence[dict]:
        """The samples, each made when it is asked for."""
        for index in self.indexes:
            print_log(
                f"{len(index):,} images in {len(index.shards):,} shards under "
                f"{one_line_path(index.folder)}",
                "current",
            )
        largest = max(index.largest_label for index in self.indexes)
        if self.CLASSES is not None and largest >= len(self.CLASSES):
            raise HCSCError(
                f"an image has the label {largest}, but classes names {len(self.CLASSES)}: labels "
                "count from 0; name more classes"
            )
        if self.CLASSES is None and largest >= 0:
            self._metainfo["classes"] = tuple(map(str, range(largest + 1)))
        return IndexedSamples(self.indexes)

    def _get_unserialized_subset(self, indices: int | Sequence[int]) -> Sequence[dict]:
        """mmengine's makes a list of the samples."""
        if isinstance(indices, int):
            return self.data_list[:indices] if indices >= 0 else self.data_list[indices:]
        return self.data_list.take(indices)

    def labels(self) -> NDArray[np.int32]:
        """(N,) labels of all images in their order; -1 without."""
        return self.data_list.labels()

    def names_and_sizes(self) -> tuple[Iterator[str], NDArray[np.int64]]:
        """Numbers of the folders, shards and keys, see :meth:`IndexedSamples.names`; and (N,) sizes
        in bytes.
        """
        return self.data_list.names(), self.data_list.column("size").astype(np.int64)


class IndexedSamples(Sequence):
    """Samples of some indexes, one index after the other, or some of them.

    Args:
        indexes: They are shared, and not copied.
        rows: Which of all images; None: all.
    """

    def __init__(
        self, indexes: Sequence[TarIndex], rows: range | NDArray[np.int64] | None = None
    ) -> None:
        self.indexes = indexes
        self._starts = [0, *accumulate(map(len, indexes))]
        self._rows = range(self._starts[-1]) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return IndexedSamples(self.indexes, self._rows[key])
        row = int(self._rows[key])
        number = bisect_right(self._starts, row) - 1
        index, row = self.indexes[number], row - self._starts[number]
        shard, start, size, name = index.place(row)
        sample = {"img_path": f"{PREFIX}://{index.folder}/{shard}@{start}+{size}/{name}"}
        label = int(index.rows["label"][row])
        return sample if label < 0 else {**sample, "gt_label": label}

    def take(self, places: Sequence[int]) -> IndexedSamples:
        """Some of these."""
        rows = np.asarray(self._rows, dtype=np.int64)[np.asarray(places, dtype=np.int64)]
        return IndexedSamples(self.indexes, rows)

    def column(self, name: str) -> NDArray:
        """(N,) of a field of :data:`~.tar_index.ROW`."""
        parts = [index.rows[name] for index in self.indexes]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if isinstance(self._rows, range):
            return values[self._rows.start : self._rows.stop : self._rows.step]
        return values[self._rows]

    def labels(self) -> NDArray[np.int32]:
        """(N,), -1 without."""
        return np.asarray(self.column("label"), dtype=np.int32)

    def names(self) -> Iterator[str]:
        """Of all in their order, with NUL between them; before those of a shard come the number of
        its index and its name.
        """
        before = None
        for at in range(0, len(self), _AT_A_TIME):
            for number, start, stop in self[at : at + _AT_A_TIME]._runs():
                index = self.indexes[number]
                shard = f"{number}/{index.shards[index.rows['shard'][start]].name}"
                if shard != before:
                    yield shard
                before = shard
                yield index.names(start, stop)

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        """Images of one shard that follow each other in it, too: number of the index, first row in
        it, and the row after the last.
        """
        rows = np.asarray(self._rows, dtype=np.int64)
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        shards = self.column("shard")
        ends = (np.diff(rows) != 1) | (np.diff(numbers) != 0) | (shards[1:] != shards[:-1])
        stops = [*(np.flatnonzero(ends) + 1).tolist(), len(rows)]
        for first, stop in pairwise([0, *stops]):
            number = int(numbers[first])
            start = int(rows[first]) - self._starts[number]
            yield number, start, start + stop - first


@register_backend("hcsc_shards", prefixes=PREFIX)
class ShardsBackend(BaseStorageBackend):
    """Images at ``shards:///folder/train-000.tar@1536+58231/key.jpg``: where in the shard they
    begin, and how many bytes they have.
    """

    def get(self, filepath: str) -> bytes:
        shard, start, size = _ADDRESS.match(filepath).groups()
        content = _open(shard).read(int(start), int(size))
        if len(content) < int(size):
            raise OSError(0, f"{one_line_path(shard)} ends within the image")
        return content

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        return self.get(filepath).decode(encoding)


class _OpenShard:
    """Reading does not move a common position: forked processes share the file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._file, size, start)


@lru_cache(maxsize=256)  # shards; systems let a process have 1024 open files
def _open(path: str) -> _OpenShard:
    return _OpenShard(path)


def _each(paths: str | os.PathLike | Sequence[str]) -> list[str]:
    one = isinstance(paths, (str, os.PathLike))
    return [os.path.abspath(os.path.expanduser(path)) for path in ([paths] if one else paths)]


def _classes(indexes: Sequence[TarIndex]) -> list[str] | None:
    """Names of the labels, in which all indexes agree."""
    names = [index.classes for index in indexes]
    if any(other != names[0] for other in names[1:]):
        raise HCSCError(
            "the indexes of data_root number their labels' names differently; index all shards in "
            "one folder, or without labels (--label-key none)"
        )
    return names[0]
