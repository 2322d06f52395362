"""What images are clustered by where nobody says so: numbers of prototypes, and first centroids."""

from __future__ import annotations

import math

from ..errors import HCSCError
from .seeding import GREEDY_POINTS

# 3 · √N prototypes: 3000 for a million images, near HCSC's 3000 for ImageNet's 1.28 million.
# k-means then takes N · √N products; a fixed number of images per prototype would take N².
_PER_ROOT = 3
_SMALLEST_LEAF = 4  # images per prototype of level 0, on average
_TOP = 16  # prototypes of the last level: as many as are looked at in one view
_FAN_OUT = 6  # children per prototype, about


def default_seeding(num_images: int) -> str:
    """What :func:`kmeans` begins with: 'ward' up to 4,096 images, which Ward's method then merges
    all, and whose trees agree better with classes (docs/recipe.md); 'k-means++' beyond.

    Args:
        num_images: N.
    """
    return "ward" if num_images <= GREEDY_POINTS else "k-means++"


def default_num_prototypes(num_images: int) -> tuple[int, ...]:
    """K per level, the finest first: 3 · √N at level 0, at most N / 4, and so many levels up to 16
    that a prototype has about 6 children: 154 and 16 for 2,640 images, 3000, 524, 92 and 16 for a
    million.

    Args:
        num_images: N, those that can be read.

    Raises:
        HCSCError: fewer than 4 images, of which no tree can be made.
    """
    if num_images < 2 * 2:
        raise HCSCError(f"{num_images} images are too few for a tree; at least 4 are needed")
    finest = min(round(_PER_ROOT * math.sqrt(num_images)), num_images // _SMALLEST_LEAF)
    finest = max(2, finest)
    if finest < 2 * _TOP:
        return (finest,) if finest < 8 else (finest, max(2, finest // 4))
    steps = max(1, round(math.log(finest / _TOP) / math.log(_FAN_OUT)))
    ratio = (finest / _TOP) ** (1 / steps)
    return tuple(round(finest / ratio**step) for step in range(steps + 1))
