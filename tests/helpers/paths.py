"""HIRL's path loss as loops over numbers, and a tree of 40 images for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cases import random_hierarchy
from contrast_cases import dot, rows
from torch import Tensor

TREE = random_hierarchy(num_prototypes=(6, 3, 2), dim=5)


def paths_of(leaves: Tensor) -> list[Tensor]:
    """Numbers of the prototypes on the paths from these leaves, level after level."""
    found = [leaves]
    for parents in TREE.parents:
        found.append(parents[found[-1]].long())
    return found


def slow_loss(
    projected: Sequence[Sequence[Sequence[float]]],
    own: Sequence[int],
    others: Sequence[Sequence[int]],
) -> float:
    """The path loss in :data:`TREE`.

    Args:
        projected: [image][level] vectors of unit length.
        own: Leaf of each image.
        others: Leaves of its drawn paths.
    """

    def probability(vectors, leaf):
        product, node = 1.0, leaf
        for level, vector in enumerate(vectors):
            product *= (1 + dot(vector, rows(TREE.prototypes[level])[node])) / 2
            node = int(TREE.parents[level][node]) if level < 2 else node
        return product

    total = 0.0
    for vectors, leaf, drawn in zip(projected, own, others, strict=True):
        total -= math.log(probability(vectors, leaf) + 1e-6)
        wrong = [other for other in drawn if other != leaf]
        if wrong:
            logs = [math.log(1 - probability(vectors, other) + 1e-6) for other in wrong]
            total -= sum(logs) / len(wrong)
    return total / (2 * len(projected))
