"""Prototypes as rows of their nearest images, one panel per level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..errors import HCSCError
from ..structures import PrototypeHierarchy

_GAP = 2
_MARGIN = 12
_TITLE_HEIGHT = 24
_LABEL_WIDTH = 76


def draw_hierarchy(
    images: Sequence[np.ndarray],
    features: Tensor,
    hierarchy: PrototypeHierarchy,
    *,
    rows: int = 12,
    columns: int = 10,
    tile: int = 28,
) -> Image.Image:
    """Draw what the prototypes of each level stand for.

    Args:
        images: N arrays (H, W) or (H, W, 3) uint8, RGB.
        features: (N, D) unit length, of the same images in the same order.
        hierarchy: Over these images.
        rows: Prototypes per level at most; of more, every ⌈K / rows⌉-th by size is taken, from the
            most to the least populous.
        columns: Nearest images per prototype, by cosine, the nearest first.
        tile: Pixels per image side.

    Returns:
        An RGB picture. Each row is labelled with the number of images whose prototype it is.
    """
    if not len(images) == len(features) == hierarchy.num_samples:
        raise HCSCError(
            f"{len(images)} images and {len(features)} features do not fit a hierarchy over "
            f"{hierarchy.num_samples} images"
        )
    panel_width = _LABEL_WIDTH + columns * (tile + _GAP)
    shown = [_chosen(sizes, rows) for sizes in _sizes(hierarchy)]
    height = 2 * _MARGIN + _TITLE_HEIGHT + max(map(len, shown)) * (tile + _GAP)
    width = _MARGIN + hierarchy.num_levels * (panel_width + _MARGIN)
    picture = Image.new("RGB", (width, height), "white")
    for level, prototypes in enumerate(shown):
        left = _MARGIN + level * (panel_width + _MARGIN)
        _draw_panel(
            picture, (left, _MARGIN), level, prototypes, images, features, hierarchy, columns, tile
        )
    return picture


def _draw_panel(
    picture: Image.Image,
    corner: tuple[int, int],
    level: int,
    prototypes: Sequence[int],
    images: Sequence[np.ndarray],
    features: Tensor,
    hierarchy: PrototypeHierarchy,
    columns: int,
    tile: int,
) -> None:
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=13)
    total = hierarchy.num_prototypes[level]
    title = f"level {level}: {total} prototypes" + (
        "" if len(prototypes) == total else f", {len(prototypes)} shown"
    )
    draw.text(corner, title, fill="black", font=font)
    sizes = _sizes(hierarchy)[level]
    # (rows, N)
    similarity = (
        hierarchy.prototypes[level][list(prototypes)] @ features.to(hierarchy.prototypes[level]).T
    )
    nearest = similarity.topk(min(columns, len(images)), dim=1).indices
    for row, prototype in enumerate(prototypes):
        top = corner[1] + _TITLE_HEIGHT + row * (tile + _GAP)
        draw.text(
            (corner[0], top + tile // 2 - 8),
            f"{int(sizes[prototype])} images",
            fill="dimgray",
            font=ImageFont.load_default(size=11),
        )
        for column, index in enumerate(nearest[row].tolist()):
            left = corner[0] + _LABEL_WIDTH + column * (tile + _GAP)
            picture.paste(
                Image.fromarray(images[index])
                .convert("RGB")
                .resize((tile, tile), Image.Resampling.NEAREST),
                (left, top),
            )


def _sizes(hierarchy: PrototypeHierarchy) -> list[Tensor]:
    path = hierarchy.path(torch.arange(hierarchy.num_samples))
    return [
        torch.bincount(prototype, minlength=number)
        for prototype, number in zip(path, hierarchy.num_prototypes, strict=True)
    ]


def _chosen(sizes: Tensor, rows: int) -> list[int]:
    order = sizes.sort(descending=True, stable=True).indices.tolist()
    return order[:: -(-len(order) // rows)]
