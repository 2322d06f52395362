"""Where embeddings stand in a tree: prototypes, distances and margins."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..structures import PrototypeHierarchy
from ..utils.products import inner_products

# Floats of the (rows, K) similarities that are alive at once: 64 MiB.
_CHUNK_FLOATS = 2**24


class Placed(NamedTuple):
    """B embeddings in a tree, level 0, the finest, first.

    Attributes:
        prototypes: (B,) int64 per level.
        distances: (B,) float32 per level: Euclidean distance of the embedding to that prototype,
            both of unit length, in [0, 2].
        margins: (B,) float32 per level: distance to the nearest other prototype of the level less
            that to its own. Negative where another is nearer, as above level 0, where the tree
            decides, it may be; infinite where there is no other.
    """

    prototypes: tuple[Tensor, ...]
    distances: tuple[Tensor, ...]
    margins: tuple[Tensor, ...]


def place(
    hierarchy: PrototypeHierarchy, embeddings: Tensor, path: tuple[Tensor, ...] | None = None
) -> Placed:
    """Place embeddings in a tree, in chunks of bounded memory.

    Args:
        hierarchy: The tree that images are placed in.
        embeddings: (B, D) float32, unit length, on the hierarchy's device.
        path: (B,) int64 per level, where the tree itself says where the images are; by default the
            nearest prototype of level 0, and up from there.
    """
    path = hierarchy.assign(embeddings) if path is None else path
    levels = [
        _distances(embeddings, prototypes, own)
        for prototypes, own in zip(hierarchy.prototypes, path, strict=True)
    ]
    distances, margins = zip(*levels, strict=True)
    return Placed(tuple(path), distances, margins)


def _distances(embeddings: Tensor, prototypes: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) distance to the own prototype, and (B,) margin."""
    # From the difference itself: √(2 − 2x·c) loses the digits that matter when x is close to c.
    distance = torch.cat(
        [
            (rows - prototypes[one]).norm(dim=1)
            for rows, one in zip(embeddings.split(2**14), own.split(2**14), strict=True)
        ]
    )
    if len(prototypes) == 1:
        return distance, torch.full_like(distance, float("inf"))
    rows_at_once = max(1, _CHUNK_FLOATS // len(prototypes))
    to_other = []
    for rows, one in zip(embeddings.split(rows_at_once), own.split(rows_at_once), strict=True):
        similarity = inner_products(rows, prototypes)
        similarity.scatter_(1, one[:, None], float("-inf"))
        to_other.append((rows - prototypes[similarity.argmax(dim=1)]).norm(dim=1))
    return distance, torch.cat(to_other) - distance
