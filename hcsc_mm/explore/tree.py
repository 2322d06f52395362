"""A tree folder, read."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import HCSCError
from ..structures import PrototypeHierarchy
from .names import text_to_name
from .results import HIERARCHY, NODES
from .site.nodes import read_hierarchy
from .tables import Facts, Table


class Tree:
    """What ``tools/build_tree.py`` has written.

    Args:
        folder: Path of the tree folder.

    Attributes:
        folder: Path of the tree folder.
        table: What images.parquet says of itself.
        facts: What the table says about itself.

    Raises:
        HCSCError: a file is missing or damaged, or they do not belong together.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise HCSCError(f"there is no folder {folder}; run tools/build_tree.py first")
        self.folder = folder
        self.table = Table(folder)
        self.facts: Facts = self.table.facts
        if self.nodes["num_images"] != self.table.num_rows:
            raise HCSCError(
                f"{NODES} and images.parquet of {folder} do not belong together: they have "
                f"{self.nodes['num_images']} and {self.table.num_rows} images; build the tree again"
            )

    @cached_property
    def nodes(self) -> dict[str, Any]:
        """hierarchy.json."""
        return read_hierarchy(self.folder)

    @cached_property
    def hierarchy(self) -> PrototypeHierarchy:
        """hierarchy.pt, over all rows."""
        return PrototypeHierarchy.load(self.folder / HIERARCHY)

    @cached_property
    def path(self) -> NDArray:
        """(L, N) int prototypes; -1 for images that cannot be read."""
        levels = range(self.facts.num_levels)
        return np.stack([self.table.numbers(f"prototype_{level}") for level in levels])

    @cached_property
    def readable(self) -> NDArray:
        """(n,) int64 rows of images that can be read."""
        return np.flatnonzero(self.path[0] >= 0)

    def file(self, path: str) -> str:
        """Where an image of the table lies."""
        return text_to_name(path, self.facts.root)
