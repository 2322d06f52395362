"""Rows of small images, each with a label: one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP, _MARGIN, _TITLE_HEIGHT, _LABEL_WIDTH = 2, 12, 24, 92


class ImageRow(NamedTuple):
    """A row of a picture.

    Attributes:
        label: A few words, in front of the images.
        images: (H, W, 3) uint8 RGB of any size; None leaves its place grey.
    """

    label: str
    images: Sequence[NDArray | None]


def draw_image_rows(title: str, rows: Sequence[ImageRow], *, tile: int = 56) -> Image.Image:
    """Draw rows of images, each scaled to a square.

    Args:
        title: One line above the rows.
        rows: From top to bottom; at least one.
        tile: Pixels per side of an image.

    Returns:
        An RGB picture, as wide as its longest row.
    """
    columns = max(len(row.images) for row in rows)
    width = 2 * _MARGIN + _LABEL_WIDTH + columns * (tile + _GAP)
    height = 2 * _MARGIN + _TITLE_HEIGHT + len(rows) * (tile + _GAP)
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, _MARGIN), title, fill="black", font=ImageFont.load_default(size=13))
    small = ImageFont.load_default(size=11)
    for number, row in enumerate(rows):
        top = _MARGIN + _TITLE_HEIGHT + number * (tile + _GAP)
        draw.text((_MARGIN, top + tile // 2 - 8), row.label, fill="dimgray", font=small)
        for column, pixels in enumerate(row.images):
            left = _MARGIN + _LABEL_WIDTH + column * (tile + _GAP)
            if pixels is None:
                draw.rectangle((left, top, left + tile - 1, top + tile - 1), fill="lightgray")
                continue
            shown = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
            picture.paste(shown.resize((tile, tile), Image.Resampling.BILINEAR), (left, top))
    return picture
