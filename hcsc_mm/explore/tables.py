"""images.parquet and images.csv: one row per image; docs/tree.md says what each column means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import HCSCError
from ..utils.files import written_whole
from .site.parquet import ImageTable, matrix
from .whole_files import folder_written_whole, make_room, write_array

PARQUET, CSV, NPY = "images.parquet", "images.csv", "embeddings.npy"
# Rows of a part; a table of more is a folder of parts.
ROWS_PER_PART = 250_000
_ROWS_AT_ONCE = 2**14
_KEY = "hcsc_mm."


@dataclass(frozen=True)
class Facts:
    """What a table says about itself, in the metadata of its schema, each under 'hcsc_mm.<name>'.

    Attributes:
        version: Version of hcsc_mm that wrote it.
        weights: Digest of the weights, see :func:`weights_digest`; '' for given embeddings.
        model: The two arguments of :func:`load_embedder` that load the weights.
        root: Folder that paths are relative to; '' for images without files.
        num_levels: How many levels the tree has, L.
        num_prototypes: K per level, the finest first.
        origin: 'trained', 'assigned' or 'clustered', see :func:`origin_of_tree`.
        classes: Names of the labels, in the order of their numbers; empty without labels.
        num_built: Rows that the tree was built from; later ones were assigned.
        spread_quantiles: 1001 quantiles of the mean distance to the nearest images, for outlier
            scores of images that come later.
        far: Distance to the prototype of level 0 that 99 % of the rows of the build are within.
        preparation: Transforms of an image, :attr:`Embedder.preparation`; '' for given embeddings,
            and in tables of versions that did not say.
        features: What the embeddings are, :attr:`Embedder.features`.
    """

    version: str
    weights: str
    model: tuple[str, str | None]
    root: str
    num_levels: int
    num_prototypes: tuple[int, ...]
    origin: str
    classes: tuple[str, ...]
    num_built: int
    spread_quantiles: tuple[float, ...]
    far: float
    preparation: str = ""
    features: str = "projection"

    @property
    def white(self) -> float | None:
        """What counted as white in images of more than 8 bits, see :class:`LoadImage`."""
        return _white(self.preparation)

    def metadata(self) -> dict[str, str]:
        """For a schema: text as it is, all else as JSON."""
        return {
            f"{_KEY}{name}": value if isinstance(value, str) else json.dumps(value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None, where: Path) -> Facts:
        """From a schema.

        Raises:
            HCSCError: the table is not one of ours.
        """
        given = {
            key.decode().removeprefix(_KEY): value.decode()
            for key, value in (metadata or {}).items()
            if key.decode().startswith(_KEY)
        }
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        missing = [name for name in needed if name not in given]
        if missing:
            raise HCSCError(
                f"{where} was not written by tools/build_tree.py: it does not say {missing[0]}"
            )
        text = ("version", "weights", "root", "origin", "preparation", "features")
        read = {
            name: given[name] if name in text else json.loads(given[name])
            for name in cls.__dataclass_fields__
            if name in given
        }
        read = {k: tuple(v) if isinstance(v, list) else v for k, v in read.items()}
        return cls(**read)


def white_of(schema: pa.Schema) -> float | None:
    """:attr:`Facts.white` of any table; None where it says nothing of the kind."""
    return _white((schema.metadata or {}).get(f"{_KEY}preparation".encode(), b"").decode())


def _white(preparation: str) -> float | None:
    pipeline = json.loads(preparation or "[]")
    return pipeline[0].get("white") if pipeline else None


@dataclass(frozen=True)
class Rows:
    """A run of consecutive rows of the table, as arrays.

    Attributes:
        paths, labels, reasons: One value for each row; labels are None without labels, a reason is
            None where the image can be read.
        embedding: (n, D); rows of unreadable images are of no meaning.
        numbers: Column → (n,) values; NaN stands for none.
    """

    paths: list[str]
    labels: list[str | None] | None
    reasons: list[str | None]
    embedding: NDArray
    numbers: dict[str, NDArray]

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        """In the form of the table."""
        dim = self.embedding.shape[1]
        readable = np.array([reason is None for reason in self.reasons])
        values = schema.field("embedding").type.value_type
        flat = pa.array(self.embedding.astype(values.to_pandas_dtype()).reshape(-1))
        columns: dict[str, Any] = {
            "path": self.paths,
            "embedding": pa.FixedSizeListArray.from_arrays(flat, dim, mask=pa.array(~readable)),
            "label": self.labels,
            "unreadable": self.reasons,
        }
        for name, numbers in self.numbers.items():
            columns[name] = pa.array(numbers, schema.field(name).type, from_pandas=True)
        arrays = [
            value if isinstance(value, pa.Array) else pa.array(value, field.type)
            for field, value in ((field, columns[field.name]) for field in schema)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def schema(levels: int, dim: int, dtype: str, labelled: bool, facts: Facts) -> pa.Schema:
    """Of the table.

    Args:
        levels: How many levels the tree has, L.
        dim: Length D of the embeddings.
        dtype: Type of the embeddings, 'float16' or 'float32'.
        labelled: Whether there is a column of labels.
        facts: What the file's metadata say of the table.
    """
    number = {"float16": pa.float16(), "float32": pa.float32()}[dtype]
    fields = [
        ("path", pa.string()),
        ("embedding", pa.list_(number, dim)),
        *((f"prototype_{level}", pa.int32()) for level in range(levels)),
        *((f"distance_{level}", pa.float32()) for level in range(levels)),
        ("margin", pa.float32()),
        ("outlier_score", pa.float32()),
        ("neighbour", pa.int64()),
        ("neighbour_similarity", pa.float32()),
        ("duplicate_group", pa.int32()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        *([("label", pa.string())] if labelled else []),
        ("unreadable", pa.string()),
    ]
    return pa.schema(fields, metadata=facts.metadata())


def write_tables(
    folder: Path, batches: Iterator[pa.RecordBatch], form: pa.Schema, num_rows: int
) -> None:
    """images.parquet, one file or a folder of parts, and images.csv, each whole or not at all.

    Args:
        folder: The tree folder.
        batches: Batches of rows, in the table's order.
        form: Columns and types, from :func:`schema`.
        num_rows: Rows of all batches together.
    """
    several = num_rows > ROWS_PER_PART
    path, plain = folder / PARQUET, [field for field in form if field.name != "embedding"]
    if path.is_dir() != several:
        make_room(path)
    with (
        folder_written_whole(path) if several else written_whole(path) as aside,
        written_whole(folder / CSV) as csv_aside,
        pa.csv.CSVWriter(csv_aside, pa.schema(plain)) as csv,
    ):
        writer, written = None, 0
        try:
            for batch in batches:
                if writer is None or (several and written % ROWS_PER_PART == 0):
                    if writer is not None:
                        writer.close()
                    part = written // ROWS_PER_PART
                    file = aside / f"part-{part:05d}.parquet" if several else aside
                    writer = pq.ParquetWriter(file, form, compression="zstd")
                writer.write_batch(batch)
                csv.write_batch(batch.select([field.name for field in plain]))
                written += len(batch)
        finally:
            if writer is not None:
                writer.close()


def pieces(num_rows: int) -> Iterator[range]:
    """Rows of batches, none of which reaches over two parts."""
    for part in range(0, num_rows, ROWS_PER_PART):
        end = min(part + ROWS_PER_PART, num_rows)
        for start in range(part, end, _ROWS_AT_ONCE):
            yield range(start, min(start + _ROWS_AT_ONCE, end))


class Table:
    """images.parquet of a tree, read piece by piece.

    Args:
        folder: The tree folder.

    Attributes:
        facts: What it says about itself.
        num_rows: How many rows the table has, N.
        columns: Names of the columns.

    Raises:
        HCSCError: it is not there, damaged, or another's.
    """

    def __init__(self, folder: Path) -> None:
        self._table = ImageTable(folder)
        self.schema = self._table.schema
        self.facts = Facts.of(self.schema.metadata, folder / PARQUET)
        self.num_rows = self._table.num_images
        self.columns = self.schema.names

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows in order, in batches of at most 16,384; all columns by default."""
        return self._table.batches(self.columns if columns is None else columns)

    def numbers(self, column: str) -> NDArray:
        """(N,) of a column of numbers; NaN for none."""
        found = [batch.column(0).to_numpy(zero_copy_only=False) for batch in self.batches([column])]
        return np.concatenate(found)

    def texts(self, column: str) -> list[str | None]:
        """N values of a column of text."""
        return [value for batch in self.batches([column]) for value in batch.column(0).to_pylist()]

    def embeddings(self) -> Iterator[NDArray]:
        """Pieces of the (N, D) float32 embeddings; rows of unreadable images are zero."""
        for batch in self.batches(["embedding"]):
            yield matrix(batch.column(0)).astype(np.float32)


def write_embeddings(folder: Path, embedding: Iterator[NDArray], shape: tuple[int, int]) -> None:
    """embeddings.npy: (N, D) float32; rows of unreadable images are zero."""
    write_array(folder / NPY, embedding, shape, np.float32)
