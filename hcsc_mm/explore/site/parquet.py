"""The table of images, a file or a folder of parts, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import HCSCError

_BATCH = 16_384  # rows in memory at once


class ImageTable:
    """``images.parquet`` of a tree.

    Args:
        tree: Folder of the tree.

    Raises:
        HCSCError: there is no table in it, or a part of it is damaged.
    """

    def __init__(self, tree: Path) -> None:
        path = tree / "images.parquet"
        self.files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not self.files or not self.files[0].is_file():
            raise HCSCError(f"{tree} holds no images.parquet; build the tree first")
        metadata = [_open(file) for file in self.files]
        self.num_images = sum(file.metadata.num_rows for file in metadata)
        self.schema = metadata[0].schema_arrow
        self.columns = frozenset(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, in order.

        Raises:
            HCSCError: a column is missing.
        """
        missing = [column for column in columns if column not in self.columns]
        if missing:
            raise HCSCError(
                f"{self.files[0]} has no column {', '.join(missing)}; build the tree again"
            )
        for file in self.files:
            yield from _open(file).iter_batches(_BATCH, columns=list(columns))


def _open(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise HCSCError(f"{file} is damaged ({error}); build the tree again") from error


def matrix(column: pa.Array) -> np.ndarray:
    """(n, D) of a column of lists that are equally long; rows without a list are zeros.

    Raises:
        HCSCError: the lists are not equally long.
    """
    present = np.asarray(column.is_valid())
    values = column.drop_null().flatten().to_numpy(zero_copy_only=False)
    if not present.any():
        fixed = pa.types.is_fixed_size_list(column.type)
        return np.zeros((len(column), column.type.list_size if fixed else 0), np.float16)
    if len(values) % present.sum():
        raise HCSCError("the embeddings in images.parquet are not equally long; build it again")
    rows = values.reshape(int(present.sum()), -1)
    if present.all():
        return rows
    whole = np.zeros((len(column), rows.shape[1]), rows.dtype)
    whole[present] = rows
    return whole


def vector(column: pa.Array, missing: float = np.nan) -> np.ndarray:
    """(n,) numbers; ``missing`` stands for none."""
    return column.fill_null(missing).to_numpy(zero_copy_only=False)
