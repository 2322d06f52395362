"""Pictures of nothing, for folders of which only the number of images matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(number: int, height: int = 24, width: int = 24) -> np.ndarray:
    """(N, H, W, 3) uint8, the same each time."""
    shape = (number, height, width, 3)
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def save_pngs(pixels: np.ndarray, folder: Path) -> Path:
    """Write (N, H, W, 3) uint8 as 00.png, 01.png, … into a folder, which is made."""
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return folder
