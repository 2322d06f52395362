"""Apple's embedding-atlas: the table with neighbours in its form, and with small pictures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ..tree import Tree
from .tabular import write_parquet
from .thumbnails import Thumbnails

NAME = "embedding-atlas"
MOST_PICTURES = 50_000  # 3 kB each; a larger table goes without them
_SIDE = 96
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(tree: Tree, out: Path) -> list[str]:
    """``images.parquet`` with a column ``image`` of JPEG thumbnails, up to 50,000 images.

    Args:
        tree: The tree folder to export.
        out: Folder for it.
    """
    added, flag = {}, ""
    if tree.facts.root and tree.table.num_rows <= MOST_PICTURES:
        thumbnails = Thumbnails(tree, _SIDE)
        added["image"] = lambda path: {"bytes": thumbnails.jpeg(path), "path": path}
        flag = " --image image"
    write_parquet(tree, out / "images.parquet", added, {"image": _PICTURE})
    columns = f"--vector embedding --x x --y y{flag}"
    return [f"pip install embedding-atlas && embedding-atlas {out / 'images.parquet'} {columns}"]
