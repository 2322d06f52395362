"""FiftyOne: a script that makes a data set of the table."""

from __future__ import annotations

import os
from pathlib import Path

from ...utils.files import write_text
from ..tree import Tree
from .tabular import write_parquet

NAME = "fiftyone"


def write(tree: Tree, out: Path) -> list[str]:
    """``images.parquet`` with a column ``filepath``, and ``load.py``, which needs FiftyOne and
    pyarrow and nothing of hcsc_mm.

    Args:
        tree: The tree folder to export.
        out: Folder for it.
    """
    write_parquet(tree, out / "images.parquet", {"filepath": tree.file})
    script = Path(__file__).with_name("fiftyone_script.txt")
    name = os.path.basename(os.path.abspath(tree.folder))
    write_text(out / "load.py", script.read_text().replace("DATASET_NAME", repr(name)))
    return [f"pip install fiftyone pyarrow && python {out / 'load.py'}"]
