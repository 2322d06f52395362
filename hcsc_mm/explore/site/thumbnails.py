"""Thumbnails, many to a file."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol

import cv2
from PIL import Image, ImageDraw

from ...datasets.transforms.decode import decode_image, read_file, reason
from ..names import text_to_name

# A sheet: so many thumbnails that a page of a leaf needs one or two, and not so many that a single
# one costs much.
COLUMNS, SHEET_ROWS = 16, 8
SHEET = COLUMNS * SHEET_ROWS
# LoadImage's limits
_MAX_PIXELS, _MAX_ASPECT = 100_000_000, 100.0
_GREY, _LIGHTER = (128, 128, 128), (160, 160, 160)


class Images(Protocol):
    """Where thumbnails come from."""

    def __len__(self) -> int: ...

    def image(self, row: int) -> Image.Image:
        """The image of a row of the table; raises if it cannot be read."""


class ImagesInFolder:
    """Image files.

    Args:
        root: Folder that the paths are relative to; absolute ones are taken as they are.
        paths: Paths of the images, row by row.
        at_least: Shorter side that is needed: larger JPEGs are decoded at a smaller scale.
        white: Of files of more than 8 bits per channel, see :class:`LoadImage`.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        paths: Sequence[str],
        at_least: int = 0,
        white: float | None = None,
    ) -> None:
        self.root, self.paths = os.fspath(root), paths
        self.at_least, self.white = at_least, white

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, row: int) -> Image.Image:
        """Upright, RGB.

        Raises:
            Exception: whatever reading or decoding it raises.
        """
        content = read_file(text_to_name(self.paths[row], self.root), _MAX_PIXELS)
        pixels = decode_image(
            content,
            color_type="color",
            max_pixels=_MAX_PIXELS,
            max_aspect=_MAX_ASPECT,
            at_least=self.at_least,
            white=self.white,
        )
        return Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def thumbnail(image: Image.Image, size: int) -> Image.Image:
    """The largest square in the middle, (size, size) pixels, RGB."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.convert("RGB").resize(
        (size, size),
        Image.Resampling.LANCZOS,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,
    )


def placeholder(size: int) -> Image.Image:
    """What stands for an image that cannot be read: a crossed grey square."""
    tile = Image.new("RGB", (size, size), _GREY)
    draw, width = ImageDraw.Draw(tile), max(1, size // 24)
    draw.line((0, 0, size, size), _LIGHTER, width)
    draw.line((0, size, size, 0), _LIGHTER, width)
    return tile


def readable_thumbnail(images: Images, row: int, size: int) -> tuple[Image.Image, str]:
    """A thumbnail, or the placeholder, and why (empty: it could be read)."""
    try:
        return thumbnail(images.image(row), size), ""
    except Exception as error:  # noqa: BLE001  decoders raise whatever they like; it is told
        return placeholder(size), reason(error)


def sheet(tiles: Sequence[Image.Image], size: int, quality: int) -> bytes:
    """A JPEG of tiles, 16 to a row, left to right and downwards."""
    rows = -(-len(tiles) // COLUMNS)
    picture = Image.new("RGB", (min(len(tiles), COLUMNS) * size, rows * size), _GREY)
    for number, tile in enumerate(tiles):
        picture.paste(tile, (number % COLUMNS * size, number // COLUMNS * size))
    content = BytesIO()
    picture.save(content, "JPEG", quality=quality, optimize=True)
    return content.getvalue()


def sheet_path(folder: Path, number: int) -> Path:
    """Of the sheet that begins with position ``number`` · 128."""
    return folder / "sheets" / f"{number}.jpg"


class Sheets:
    """Thumbnails by position, cut out of the sheets that are written already.

    Args:
        folder: Folder of the page's data.
        size: Side of a thumbnail, in pixels.
        kept: Decoded sheets in memory.
    """

    def __init__(self, folder: Path, size: int, kept: int = 32) -> None:
        self._folder, self._size, self._kept = folder, size, kept
        self._decoded: OrderedDict[int, Image.Image] = OrderedDict()

    def tile(self, position: int) -> Image.Image:
        number, place = divmod(position, SHEET)
        left, top = place % COLUMNS * self._size, place // COLUMNS * self._size
        return self._sheet(number).crop((left, top, left + self._size, top + self._size))

    def tiles(self, positions: Sequence[int]) -> list[Image.Image]:
        """In the order asked for; each sheet is decoded once."""
        found = {position: self.tile(position) for position in sorted(set(positions))}
        return [found[position] for position in positions]

    def _sheet(self, number: int) -> Image.Image:
        if number in self._decoded:
            self._decoded.move_to_end(number)
        else:
            self._decoded[number] = Image.open(sheet_path(self._folder, number)).convert("RGB")
            while len(self._decoded) > self._kept:
                self._decoded.popitem(last=False)
        return self._decoded[number]
