"""k-means on torch, on any device, every rank working on its own shard of the features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import HCSCError
from ..utils.progress import track
from ..utils.shard import all_gather_rows, global_sum
from .seeding import seed_centroids

# Floats of the (rows, K) distance matrix that are alive at once.
_CHUNK_FLOATS = 2**24


class KMeansResult(NamedTuple):
    """What a clustering found.

    Attributes:
        centroids: (K, D) means of the members, not normalised; the same on all ranks.
        assignment: (n,) int64, nearest centroid of each row of this rank's shard.
        squared_distance: (n,) squared L2 distance to that centroid.
    """

    centroids: Tensor
    assignment: Tensor
    squared_distance: Tensor


def kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    num_iterations: int = 20,
    num_restarts: int = 5,
    init: Tensor | None = None,
    seed: int = 0,
) -> KMeansResult:
    """Lloyd's algorithm from k-means++ seeds, best of several restarts.

    A cluster that loses all members takes the row that is farthest from its centroid (the second empty one the second farthest, and so
    on). The result depends on ``seed`` only, not on the number of ranks, up to the rounding of sums.

    Args:
        features: (n, D) float, this rank's rows; the ranks' shards in rank order are the data set.
        num_clusters: K.
        num_iterations: Upper bound; stops before when no row changes its cluster.
        num_restarts: Runs from different seeds, of which the one with the smallest sum of squared distances is kept.
        init: (K, D) first centroids instead of seeding; there is one run then.
        seed: Of the seeding.

    Raises:
        HCSCError: features that are not (n, D) floating point or not finite, fewer rows than clusters, or init of another shape.
    """
    num_rows = check_kmeans_input(features, num_clusters, init)
    features = features.detach().float()
    best: KMeansResult | None = None
    best_objective = float("inf")
    for restart in range(1 if init is not None else num_restarts):
        centroids = init.detach().to(features) if init is not None else seed_centroids(features, num_rows, num_clusters, seed + restart)
        result = _lloyd(features, centroids, num_iterations, f"k-means, {num_clusters} clusters, run {restart + 1}")
        objective = float(global_sum(result.squared_distance.sum(dtype=torch.float64)))
        if best is None or objective < best_objective:
            best, best_objective = result, objective
    return best


def check_kmeans_input(features: Tensor, num_clusters: int, init: Tensor | None) -> int:
    """Refuse what no back end can cluster; returns the number of rows over all ranks."""
    if features.ndim != 2 or not features.is_floating_point():
        raise HCSCError(f"features must be (N, D) floating point, got {tuple(features.shape)} {features.dtype}")
    # Both on all ranks at once: one rank that raises alone would leave the others waiting.
    facts = global_sum(torch.tensor([len(features), int(not torch.isfinite(features).all())], dtype=torch.float64))
    num_rows, broken = int(facts[0]), int(facts[1])
    if broken:
        raise HCSCError("features contain NaN or infinite values; k-means needs finite ones")
    if not 1 <= num_clusters <= num_rows:
        raise HCSCError(f"num_clusters={num_clusters} must lie in [1, {num_rows}], the number of rows")
    if init is not None and init.shape != (num_clusters, features.shape[1]):
        raise HCSCError(f"init must be ({num_clusters}, {features.shape[1]}), got {tuple(init.shape)}")
    return num_rows


def nearest_centroid(features: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each row, in chunks of bounded memory.

    Returns:
        (n,) int64 index and (n,) squared L2 distance, the latter from the difference itself: |x|² − 2x·c + |c|² loses the digits that
        matter when x is close to c.
    """
    half_norms = centroids.square().sum(dim=1) / 2  # (K,)
    rows_per_chunk = max(1, _CHUNK_FLOATS // max(len(centroids), features.shape[1]))
    index, distance = [], []
    for rows in features.split(rows_per_chunk):
        nearest = torch.addmm(half_norms, rows, centroids.T, alpha=-1).argmin(dim=1)
        index.append(nearest)
        distance.append((rows - centroids[nearest]).square().sum(dim=1))
    if not index:
        return features.new_zeros(0, dtype=torch.long), features.new_zeros(0)
    return torch.cat(index), torch.cat(distance)


def _lloyd(features: Tensor, centroids: Tensor, num_iterations: int, description: str) -> KMeansResult:
    assignment, distance = nearest_centroid(features, centroids)
    for _ in track(range(num_iterations), description):
        centroids = _means(features, centroids, assignment, distance)
        previous = assignment
        assignment, distance = nearest_centroid(features, centroids)
        if int(global_sum((assignment != previous).sum())) == 0:
            break
    return KMeansResult(centroids, assignment, distance)


def _means(features: Tensor, centroids: Tensor, assignment: Tensor, distance: Tensor) -> Tensor:
    """Mean of each cluster's members over all ranks; empty clusters move to the farthest rows."""
    num_clusters, dim = centroids.shape
    sums = torch.zeros(num_clusters, dim + 1, dtype=torch.float64, device=features.device)  # float64: order of ranks leaves no trace
    sums[:, :dim].index_add_(0, assignment, features.double())
    sums[:, dim] = torch.bincount(assignment, minlength=num_clusters)
    sums = global_sum(sums)
    counts = sums[:, dim]
    means = (sums[:, :dim] / counts.clamp(min=1)[:, None]).to(features.dtype)
    empty = (counts == 0).nonzero().squeeze(1)
    if len(empty):
        farthest = _farthest_rows(features, distance, len(empty))
        means[empty[: len(farthest)]] = farthest
    return means


def _farthest_rows(features: Tensor, distance: Tensor, count: int) -> Tensor:
    """(≤ count, D) rows with the largest distance over all ranks; ties go to the smaller index."""
    order = distance.sort(descending=True, stable=True).indices[:count]
    rows = all_gather_rows(torch.cat([distance[order, None], features[order]], dim=1))
    return rows[rows[:, 0].sort(descending=True, stable=True).indices[:count], 1:]
