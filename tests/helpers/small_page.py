"""A small tree with everything odd in it, and what its images show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from made_tree import HOSTILE, HOSTILE_LABEL, make_tree
from PIL import Image

from hcsc_mm.explore.page import PageOptions

# Rows of the small tree.
NUM_IMAGES, HOSTILE_ROW, BROKEN_ROW, UNPLACED = 700, 5, 17, 3
SIZE = 32


class PlainImages:
    """Each of one colour, which tells its row."""

    def __init__(self, number: int, broken: tuple[int, ...] = ()) -> None:
        self.number, self.broken = number, broken

    def __len__(self) -> int:
        return self.number

    def image(self, row: int) -> Image.Image:
        if row in self.broken:
            raise OSError("it is cut off")
        return Image.new("RGB", (48, 40), colour_of(row))


def colour_of(row: int) -> tuple[int, int, int]:
    """Red, green and blue are the digits of the row, 25 levels apart."""
    return row // 100 % 10 * 25 + 12, row // 10 % 10 * 25 + 12, row % 10 * 25 + 12


def row_of(pixel: np.ndarray) -> int:
    """Of an image below 1000, from its colour, which may be off by 12 levels."""
    return sum(int(value) // 25 * weight for value, weight in zip(pixel, (100, 10, 1), strict=True))


def small_path(row: int) -> str:
    return f"odd/{HOSTILE}" if row == HOSTILE_ROW else f"shelf_{row % 3}/Apfel {row:04d} é.jpg"


def small_label(row: int, prototypes: np.ndarray) -> str:
    return HOSTILE_LABEL if prototypes[0] == 0 else f"kind {prototypes[1]}"


@dataclass(frozen=True)
class SmallTree:
    """A tree and its page.

    Attributes:
        folder: With index.html.
        prototypes: (L, N) int.
    """

    folder: Path
    prototypes: np.ndarray


OPTIONS = PageOptions(thumbnail_size=SIZE, images_per_page=40, neighbours=6, quality=95)


def write_small_tree(folder: Path) -> np.ndarray:
    return make_tree(
        folder,
        NUM_IMAGES,
        (18, 6, 3),
        path=small_path,
        label=small_label,
        unplaced=UNPLACED,
    )
