"""The tree's table as one Parquet file, with columns of an export's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...utils.files import written_whole
from ...utils.progress import track
from ..site.parquet import matrix
from ..tree import Tree


def write_parquet(
    tree: Tree,
    file: Path,
    added: Mapping[str, Callable[[str], Any]],
    types: Mapping[str, pa.DataType] | None = None,
) -> None:
    """One file, whole or not at all; embeddings in float32, as plain lists that every reader knows.

    Args:
        tree: The tree folder whose table is read.
        file: Path of the file to write.
        added: Name of a column → what it says of an image's path.
        types: Type of each column that is not text, by name.
    """
    table = tree.table
    fields = [
        pa.field("embedding", pa.list_(pa.float32())) if one.name == "embedding" else one
        for one in table.schema
    ]
    fields += [pa.field(name, (types or {}).get(name, pa.string())) for name in added]
    form = pa.schema(fields, metadata=table.schema.metadata)
    with written_whole(file) as aside, pq.ParquetWriter(aside, form, compression="zstd") as writer:
        for batch in track(table.batches(), "writing the table"):
            paths = batch.column("path").to_pylist()
            columns = {name: batch.column(name) for name in table.columns}
            columns["embedding"] = _lists(batch.column("embedding"))
            columns |= {
                name: pa.array([say(path) for path in paths], form.field(name).type)
                for name, say in added.items()
            }
            arrays = [columns[field.name] for field in form]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=form))


def _lists(embedding: pa.FixedSizeListArray) -> pa.ListArray:
    """float32 lists; null where there is none."""
    rows, dim = matrix(embedding).astype(np.float32), embedding.type.list_size
    offsets = pa.array(range(0, dim * (len(rows) + 1), dim), pa.int32())
    return pa.ListArray.from_arrays(
        offsets, pa.array(rows.reshape(-1)), mask=embedding.is_null() if len(rows) else None
    )
