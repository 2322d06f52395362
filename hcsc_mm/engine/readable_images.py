"""Clusters of images of which some could not be read."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..structures import PrototypeHierarchy
from ..utils.shard import all_gather_rows
from .training_features import TrainingFeatures


def cluster_readable(
    features: Tensor, source: TrainingFeatures, build: Callable[[Tensor], PrototypeHierarchy]
) -> tuple[PrototypeHierarchy, list[int]]:
    """Cluster the images that could be read; all ranks together.

    The others never come up in training and get prototype 0.

    Args:
        features: (n, D) of this rank's shard, NaN for images that could not be read.
        source: What they come from.
        build: Clusters (m, D) features of this rank's, m ≤ n.

    Returns:
        The clusters, and the numbers of all ranks' images that could not be read.
    """
    readable = torch.isfinite(features[:, 0])
    # no copy of all features without need
    hierarchy = build(features if bool(readable.all()) else features[readable])
    shard, number = source.shard, len(source.images)
    missing = all_gather_rows((~readable).nonzero().squeeze(1) + shard.start)
    if not len(missing):
        return hierarchy, []
    if not hierarchy.is_whole:
        return hierarchy.spread(readable, shard.start, number), missing.tolist()
    known = torch.ones(number, dtype=torch.bool, device=missing.device)
    return hierarchy.spread(known.index_fill_(0, missing, False)), missing.tolist()
