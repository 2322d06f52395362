"""Photographs for comparing image operations: real ones where they are, made ones everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from shared import coco_photographs, needs_coco
from torch import Tensor

BOTH = pytest.mark.parametrize("kind", ["made", pytest.param("real", marks=needs_coco)])


def photographs(
    kind: str, number: int = 4, size: tuple[int, int] | None = None
) -> list[Image.Image]:
    """RGB images of about 200 × 300 to 640 × 480 pixels, or all of one (width, height)."""
    images = coco_photographs(number) if kind == "real" else [_made(seed) for seed in range(number)]
    return [image.resize(size) for image in images] if size else images


def as_tensor(images: Image.Image | list[Image.Image]) -> Tensor:
    """(B, 3, H, W) uint8, RGB, of images of one size."""
    images = images if isinstance(images, list) else [images]
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])


def _made(seed: int) -> Image.Image:
    """Smooth colours, sharp edges, noise, and a field each of grey, black and white."""
    random = np.random.default_rng(seed)
    height, width = 200 + 10 * seed, 300 - 20 * seed
    down, right = np.mgrid[0:height, 0:width] / max(height, width)
    pixels = np.stack(
        [
            128 + 127 * np.sin(9 * (a * down + b * right) + c)
            for a, b, c in random.uniform(-1, 1, (3, 3)) * 3
        ],
        axis=-1,
    )
    for _ in range(12):
        top, left = random.integers(0, height - 20), random.integers(0, width - 20)
        pixels[top : top + 40, left : left + 30] = random.integers(0, 256, 3)
    pixels += random.normal(0, 8, pixels.shape)
    for column, value in enumerate((128, 0, 255)):
        pixels[10:30, 10 + 20 * column : 30 + 20 * column] = value
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
