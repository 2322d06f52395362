"""The images of a tree in the order of the page, on disk.

The page counts images by their *position*: all images of a prototype lie side by side, the nearest
to it first, prototypes of one parent lie side by side, and so on up to the root. A node is then a
run of positions, and so is a page of thumbnails, a shard of data, a selection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...utils.progress import track
from .files import column_file
from .nodes import Node, arrange, read_hierarchy
from .parquet import ImageTable, matrix, vector
from .strings import Strings, StringsWriter

_NUMBERS = {  # column → what stands for none
    "distance_0": np.nan,
    "margin": np.nan,
    "outlier_score": np.nan,
    "neighbour_similarity": np.nan,
    "duplicate_group": -1,
    "neighbour": -1,
}
_TEXTS = ("path", "label", "unreadable")


@dataclass(frozen=True)
class PageTable:
    """What the page tells of images, by position, and of nodes; files of ``folder``, opened
    as they are needed, so that a process that is handed the table reads them itself.

    Attributes:
        folder: Where :func:`read_table` left the columns.
        num_images: How many rows the table has, N.
        num_placed: Images that are in the tree; the others, which could not be read, come last.
        levels: How many levels the tree has, L.
    """

    folder: Path
    num_images: int
    num_placed: int
    levels: int

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Nodes with images by id, parents before children; the root is the first."""
        prototypes = self.column("prototypes")
        return arrange(read_hierarchy(self.folder), prototypes, self.num_placed)

    @cached_property
    def leaves(self) -> list[Node]:
        """Nodes of the finest level, in the order of the page."""
        finest = [node for node in self.nodes.values() if node.level == 0]
        return sorted(finest, key=lambda node: node.start)

    @cached_property
    def leaf_starts(self) -> np.ndarray:
        """(leaves,) first position of each."""
        return np.array([leaf.start for leaf in self.leaves], np.int64)

    def leaves_within(self, start: int, end: int) -> list[Node]:
        """Those with images at positions from ``start`` to before ``end``."""
        first = max(int(self.leaf_starts.searchsorted(start, side="right")) - 1, 0)
        last = int(self.leaf_starts.searchsorted(end))
        return [leaf for leaf in self.leaves[first:last] if leaf.end > start]

    @cached_property
    def num_unreadable(self) -> np.ndarray:
        """(blocks,) int32, to be written to: images that could not be read, block by block."""
        return np.load(self.folder / "num_unreadable.npy", mmap_mode="r+")

    @cached_property
    def rows(self) -> np.ndarray:
        """(N,) int64: position → row of images.parquet."""
        return self.column("rows")

    @cached_property
    def positions(self) -> np.ndarray:
        """(N,) int64: row of images.parquet → position."""
        return self.column("positions")

    @cached_property
    def embeddings(self) -> np.ndarray:
        """(N, D) float, by position."""
        return self.column("embedding")

    @cached_property
    def paths(self) -> Strings:
        """By row, not by position."""
        return Strings(self.folder, "path")

    @cached_property
    def labels(self) -> Strings:
        """By row; empty where there is none."""
        return Strings(self.folder, "label")

    @cached_property
    def unreadable(self) -> Strings:
        """Why an image could not be read, by row; empty where it could."""
        return Strings(self.folder, "unreadable")

    def column(self, name: str) -> np.ndarray:
        """(N,) by position."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")


def read_table(tree: Path, folder: Path) -> PageTable:
    """Bring the columns of a tree's table into the order of the page, batch by batch.

    Memory: a batch, and 8·(L + 3) bytes per image for the order.

    Args:
        tree: With ``images.parquet`` and ``hierarchy.json``.
        folder: Where the columns go; it exists and is empty.

    Raises:
        HCSCError: the tree is incomplete, or its files do not belong together.
    """
    table, hierarchy = ImageTable(tree), read_hierarchy(tree)
    levels = hierarchy["levels"]
    rows, prototypes = _order(table, levels)
    positions = np.empty_like(rows)
    positions[rows] = np.arange(len(rows))
    num_placed = int((prototypes[0] >= 0).sum())
    arrange(hierarchy, prototypes, num_placed)  # refuses what does not belong together, early
    for name, array in {"rows": rows, "positions": positions, "prototypes": prototypes}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "hierarchy.json").write_bytes((tree / "hierarchy.json").read_bytes())
    _store_columns(table, folder, positions)
    sizes = {"num_images": table.num_images, "num_placed": num_placed, "levels": levels}
    (folder / "sizes.json").write_text(json.dumps(sizes))
    return open_table(folder)


def open_table(folder: Path) -> PageTable:
    """What :func:`read_table` left in a folder."""
    return PageTable(folder, **json.loads((folder / "sizes.json").read_text()))


def _order(table: ImageTable, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) int64 rows in the order of the page, and (L, N) int32 prototypes in that order."""
    prototypes = np.empty((levels, table.num_images), np.int32)
    distance = np.empty(table.num_images, np.float32)
    done, names = 0, [f"prototype_{level}" for level in range(levels)]
    for batch in table.batches([*names, "distance_0"]):
        part = slice(done, done + len(batch))
        for level, name in enumerate(names):
            prototypes[level, part] = vector(batch.column(name), missing=-1)
        distance[part] = vector(batch.column("distance_0"))
        done += len(batch)
    outside = (prototypes < 0).any(axis=0)  # no embedding, no place
    prototypes[:, outside] = -1
    rows = np.lexsort((distance, *prototypes, outside))
    return rows, prototypes[:, rows]


def _store_columns(table: ImageTable, folder: Path, positions: np.ndarray) -> None:
    """Numbers by position, text by row: text is written one after the other."""
    size = len(positions)
    numeric = [name for name in _NUMBERS if name in table.columns]
    texts = [name for name in _TEXTS if name in table.columns]
    names = ["embedding", *numeric, *texts]
    arrays: dict[str, np.ndarray] = {}
    writers = {name: StringsWriter(folder, name, size) for name in _TEXTS}
    done = 0
    for batch in track(table.batches(names), "reading the table"):
        to = positions[done : done + len(batch)]
        for name in ["embedding", *numeric]:
            column = batch.column(name)
            values = matrix(column) if name == "embedding" else vector(column, _NUMBERS[name])
            if not values.size:
                continue  # none of these images could be read
            if name not in arrays:
                shape = (size, *values.shape[1:])
                arrays[name] = column_file(folder / f"{name}.npy", values.dtype, shape)
            arrays[name][to] = values
        for name, writer in writers.items():
            given = batch.column(name).to_pylist() if name in texts else [None] * len(batch)
            writer.append(given)
        done += len(batch)
    for writer in writers.values():
        writer.close()
    for name in _NUMBERS.keys() - arrays.keys():
        np.save(folder / f"{name}.npy", np.full(size, _NUMBERS[name], np.float32))
    if "embedding" not in arrays:
        np.save(folder / "embedding.npy", np.zeros((size, 0), np.float32))
