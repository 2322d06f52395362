"""What lies in the files of a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SHEET, COLUMNS, BLOCK = 128, 16, 512


def shard(folder: Path, key: str) -> dict:
    """Data that the page gets under a key."""
    text = (folder / "page/data" / f"{key}.js").read_text(encoding="ascii")
    start = f'treePage.deliver("{key}",'
    assert text.startswith(start)
    assert text.endswith(");\n")
    return json.loads(text[len(start) : -3])


def blocks(folder: Path) -> list[dict]:
    number = len(list((folder / "page/data/images").glob("*.js")))
    return [shard(folder, f"images/{place}") for place in range(number)]


def rows(folder: Path) -> list[int]:
    """By position."""
    return [row for block in blocks(folder) for row in block["rows"]]


def thumbnail(folder: Path, position: int, size: int) -> np.ndarray:
    """(size, size, 3), out of its sheet."""
    path = folder / f"page/data/sheets/{position // SHEET}.jpg"
    return _cut(path, position % SHEET, size)


def face(folder: Path, view: dict, position: int, size: int) -> np.ndarray:
    """(size, size, 3), out of the sprite of a view."""
    path = folder / f"page/data/nodes/{view['id']}.jpg"
    return _cut(path, view["sprite"].index(position), size)


def _cut(path: Path, place: int, size: int) -> np.ndarray:
    pixels = np.asarray(Image.open(path))
    top, left = place // COLUMNS * size, place % COLUMNS * size
    return pixels[top : top + size, left : left + size]


def content(folder: Path) -> dict[str, bytes]:
    """All files of a page by name."""
    files = [folder / "index.html", *(folder / "page").rglob("*")]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.is_file()}
