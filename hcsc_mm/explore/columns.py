"""The numbers of every image that follow from the tree alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..apis import place
from ..structures import PrototypeHierarchy

_CHUNK = 2**14


class Columns(NamedTuple):
    """Of the n images that can be read, level 0, the finest, first.

    Attributes:
        prototypes: (L, n) int32.
        distances: (L, n) float32, Euclidean distance of the embedding to each of them.
        margins: (L, n) float32, see :class:`hcsc_mm.apis.Placed`.
    """

    prototypes: NDArray
    distances: NDArray
    margins: NDArray

    @property
    def agreement(self) -> float:
        """Share of images whose prototype of level 0 is the nearest one."""
        return float((self.margins[0] >= 0).mean())


def place_all(hierarchy: PrototypeHierarchy, embedding: NDArray) -> Columns:
    """Place images where the hierarchy says that they are.

    Args:
        hierarchy: Over these n images.
        embedding: (n, D) float32, unit length.
    """
    number, levels = len(embedding), hierarchy.num_levels
    prototypes = np.empty((levels, number), np.int32)
    distances, margins = (np.empty((levels, number), np.float32) for _ in range(2))
    for start in range(0, number, _CHUNK):
        part = slice(start, min(start + _CHUNK, number))
        path = hierarchy.path(torch.arange(part.start, part.stop))
        placed = place(hierarchy, torch.from_numpy(np.ascontiguousarray(embedding[part])), path)
        for level in range(levels):
            prototypes[level, part] = placed.prototypes[level]
            distances[level, part] = placed.distances[level]
            margins[level, part] = placed.margins[level]
    return Columns(prototypes, distances, margins)
