"""Lloyd's iterations, on one process or with every rank on its own shard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..utils.progress import track
from ..utils.shard import all_gather_rows, global_sum

# An iteration that lowers the sum of squared distances by less than this share is the last one.
_TOLERANCE = 1e-4
# Rows that are turned into float64 at once.
_SUM_ROWS = 2048
# Of FAISS's split_clusters: how far halves lie apart, as a share of each coordinate, and its seed.
_APART, _SPLIT_SEED = 1 / 1024, 1234

Nearest = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Partition(NamedTuple):
    """Where Lloyd's iterations ended.

    Attributes:
        centroids: (K, D).
        assignment: (n,) int64, this rank's rows.
        squared_distance: (n,).
        objective: Sum of squared distances over all rows of all ranks.
    """

    centroids: Tensor
    assignment: Tensor
    squared_distance: Tensor
    objective: float


def lloyd(
    features: Tensor,
    centroids: Tensor,
    num_iterations: int,
    nearest: Nearest,
    *,
    shared: bool = True,
    tolerance: float = _TOLERANCE,
    splits: bool = False,
    description: str = "k-means",
) -> Partition:
    """Alternate between the nearest centroids of the rows and the means of the centroids' rows.

    Ends when no row changes its cluster, when the objective falls by too little, or after
    ``num_iterations``. One all-reduce an iteration, of (K, D) sums, (K) counts and two numbers.

    Args:
        features: (n, D) float32: this rank's rows if ``shared``, all rows otherwise.
        centroids: (K, D) to start at, the same on all ranks.
        num_iterations: Iterations at most; fewer where no image changes its cluster.
        nearest: (n, D) rows, (K, D) centroids → (n,) index, (n,) squared distance.
        shared: The ranks iterate together, each on its shard. Otherwise each is on its own, without
            a word to the others.
        tolerance: Share of the objective that an iteration must take off it to be followed by
            another; 0.01 % by default, 0: none.
        splits: An empty cluster takes half of a large one, as in FAISS, instead of the row that is
            farthest from its centroid.
        description: For the progress bar.
    """
    objective, assignment = (
        float("inf"),
        torch.full((len(features),), -1, dtype=torch.long, device=features.device),
    )
    # One more round than updates of the centroids: the rows belong to the final ones.
    for iteration in track(range(num_iterations + 1), description):
        previous_objective, previous = objective, assignment
        assignment, distance = nearest(features, centroids)
        last = iteration == num_iterations
        sums, objective, moved = _totals(
            features, assignment, distance, previous, len(centroids), shared
        )
        too_little = tolerance > 0 and previous_objective - objective < tolerance * objective
        if last or moved == 0 or too_little:
            break
        centroids = _means(sums, features, distance, centroids.dtype, shared, splits)
    return Partition(centroids, assignment, distance, objective)


def _totals(
    features: Tensor,
    assignment: Tensor,
    distance: Tensor,
    previous: Tensor,
    num_clusters: int,
    shared: bool,
) -> tuple[Tensor, float, int]:
    """(K, D + 1) sums and counts of the clusters, the objective, and how many rows moved, over all
    rows.

    In float64, so that neither the order of the rows nor their split over ranks leaves a trace.
    """
    dim = features.shape[1]
    totals = torch.zeros(num_clusters * (dim + 1) + 2, dtype=torch.float64, device=features.device)
    sums = totals[:-2].view(num_clusters, dim + 1)
    for rows, clusters in zip(features.split(_SUM_ROWS), assignment.split(_SUM_ROWS), strict=True):
        sums[:, :dim].index_add_(0, clusters, rows.double())
    sums[:, dim] = torch.bincount(assignment, minlength=num_clusters)
    totals[-2] = distance.sum(dtype=torch.float64)
    totals[-1] = (assignment != previous).sum()
    if shared:
        global_sum(totals)
    objective, moved = totals[-2:].tolist()
    return sums, objective, int(moved)


def _means(
    sums: Tensor,
    features: Tensor,
    distance: Tensor,
    dtype: torch.dtype,
    shared: bool,
    splits: bool,
) -> Tensor:
    """(K, D) mean of each cluster's rows; an empty one takes half of a large one if it ``splits``,
    or moves to the farthest row, the second empty one to the second farthest, …
    """
    counts = sums[:, -1]
    means = (sums[:, :-1] / counts.clamp(min=1)[:, None]).to(dtype)
    empty = (counts == 0).nonzero().squeeze(1)
    if len(empty) and splits:
        _take_halves(means, counts.cpu(), empty.tolist())
    elif len(empty):
        farthest = _farthest_rows(features, distance, len(empty), shared)
        means[empty[: len(farthest)]] = farthest
    return means


def _take_halves(means: Tensor, counts: Tensor, empty: Sequence[int]) -> None:
    """Give each empty cluster half of another, drawn with probability ∝ its rows but one: both lie
    at its mean, moved a little apart.

    As ``split_clusters`` in FAISS's ``Clustering.cpp``, whose draw begins with the same seed in
    each iteration, too.

    Args:
        means: (K, D), changed in place.
        counts: (K,) rows of each, on the CPU, changed in place.
        empty: The clusters without rows.
    """
    apart = torch.full_like(means[0], _APART)
    apart[1::2] *= -1
    generator = torch.Generator().manual_seed(_SPLIT_SEED)
    for cluster in empty:
        weights = (counts - 1).clamp(min=0)
        if not bool(weights.any()):
            return  # no cluster has two rows
        donor = int(torch.multinomial(weights, 1, generator=generator))
        means[cluster], means[donor] = means[donor] * (1 + apart), means[donor] * (1 - apart)
        counts[cluster] = counts[donor] // 2
        counts[donor] -= counts[cluster]


def _farthest_rows(features: Tensor, distance: Tensor, count: int, shared: bool) -> Tensor:
    """(≤ count, D) rows with the largest distance over all rows; ties go to the smaller index."""
    order = distance.sort(descending=True, stable=True).indices[:count]
    rows = torch.cat([distance[order, None], features[order]], dim=1)
    if shared:
        rows = all_gather_rows(rows)
    return rows[rows[:, 0].sort(descending=True, stable=True).indices[:count], 1:]
