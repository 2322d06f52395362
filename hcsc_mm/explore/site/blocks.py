"""Thumbnails and data of the images, block by block.

A block is 512 positions: four sheets of thumbnails and one shard. The number of files grows with
the images alone, whatever the tree looks like, and none of them with the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from .cards import Cards
from .files import numbers, script, write_whole
from .nodes import Node
from .similar import most_similar
from .table import PageTable
from .thumbnails import SHEET, Images, readable_thumbnail, sheet, sheet_path

BLOCK = 4 * SHEET


@dataclass(frozen=True)
class Blocks(Dataset):
    """Item b writes block b if it is not there yet, and is b.

    Attributes:
        cards: Cards of the tree's nodes.
        images: Where thumbnails come from.
        folder: Folder of the page's data.
        size: Side of a thumbnail, in pixels.
        quality: Quality of the JPEGs, 1 to 95.
        neighbours: Most similar images stored per image.
    """

    cards: Cards
    images: Images
    folder: Path
    size: int
    quality: int
    neighbours: int

    def __len__(self) -> int:
        return -(-self.cards.table.num_images // BLOCK)

    def __getitem__(self, number: int) -> int:
        path = block_path(self.folder, number)
        start = number * BLOCK
        end = min(start + BLOCK, self.cards.table.num_images)
        if path.is_file():
            return number
        failures: dict[int, str] = {}
        for first in range(start, end, SHEET):
            self._write_sheet(first, min(first + SHEET, end), failures)
        shard = self._shard(start, end, failures)
        self.cards.table.num_unreadable[number] = len(shard["unreadable"])
        write_whole(path, script(f"images/{number}", shard))  # last: where it is, all else is
        return number

    def _write_sheet(self, first: int, last: int, failures: dict[int, str]) -> None:
        tiles = []
        for position in range(first, last):
            row = int(self.cards.table.rows[position])
            tile, why = readable_thumbnail(self.images, row, self.size)
            tiles.append(tile)
            if why:
                failures[position] = why
        content = sheet(tiles, self.size, self.quality)
        write_whole(sheet_path(self.folder, first // SHEET), content)

    def _shard(self, start: int, end: int, failures: dict[int, str]) -> dict:
        table, rows = self.cards.table, self.cards.table.rows[start:end].tolist()
        reasons = {
            position: table.unreadable[row] or failures.get(position, "")
            for position, row in zip(range(start, end), rows, strict=True)
        }
        leaves = table.leaves_within(start, end)
        group = table.column("duplicate_group")[start:end].astype(np.int64).tolist()
        return {
            "start": start,
            "rows": rows,
            "paths": [table.paths[row] for row in rows],
            **_labels(table, rows),
            **{
                name: numbers(table.column(column)[start:end])
                for name, column in {
                    "distance": "distance_0",
                    "margin": "margin",
                    "outlier": "outlier_score",
                }.items()
            },
            "group": group,
            "groups": self.cards.duplicates.groups_of(group),
            "unreadable": {position: why for position, why in reasons.items() if why},
            "leaves": [self.cards.card(leaf) for leaf in leaves],
            **self._similar(leaves, start, end),
        }

    def _similar(self, leaves: list[Node], start: int, end: int) -> dict:
        """Most similar images as distances in positions, which are short, and their cosines."""
        offsets: list[list[int]] = [[] for _ in range(start, end)]
        cosines: list[list[float]] = [[] for _ in range(start, end)]
        for leaf in leaves:
            first, last = max(leaf.start, start), min(leaf.end, end)
            found = most_similar(self.cards.table, leaf, first, last, self.neighbours)
            for position, near, cosine in zip(range(first, last), *found, strict=True):
                there = near >= 0
                offsets[position - start] = (near[there] - position).tolist()
                cosines[position - start] = numbers(cosine[there])
        return {"similar": offsets, "cosines": cosines}


def block_path(folder: Path, number: int) -> Path:
    """Of the shard of positions ``number`` · 512 and on."""
    return folder / "images" / f"{number}.js"


def _labels(table: PageTable, rows: list[int]) -> dict:
    """Labels once each, and their numbers; −1: no label."""
    given = [table.labels[row] for row in rows]
    names = sorted(set(given) - {""})
    numbered = {name: place for place, name in enumerate(names)}
    return {"labelNames": names, "label": [numbered.get(label, -1) for label in given]}
