"""Renumics Spotlight: the table with an absolute path to each image."""

from __future__ import annotations

from pathlib import Path

from ..tree import Tree
from .tabular import write_parquet

NAME = "spotlight"


def write(tree: Tree, out: Path) -> list[str]:
    """``images.parquet``, as the tree's with a column ``image``, and embeddings in float32.

    Args:
        tree: The tree folder to export.
        out: Folder for it.
    """
    write_parquet(tree, out / "images.parquet", {"image": tree.file})
    types = "--dtype image=Image --dtype embedding=Embedding"
    return [f"pip install renumics-spotlight && spotlight {out / 'images.parquet'} {types}"]
