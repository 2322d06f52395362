"""k-means on torch, on any device, every rank working on its own shard of the features."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from mmengine.dist import all_gather, broadcast, get_rank, get_world_size
from torch import Tensor

from ..errors import HCSCError
from ..utils.numbers import check_whole
from ..utils.progress import track
from ..utils.ranks import wait_for_ranks
from ..utils.shard import global_sum, shard_slice
from .lloyd import Nearest, Partition, lloyd
from .nearest import nearest_centroid
from .seeding import GREEDY_POINTS, sample_rows, seed_centroids
from .ward import ward_centroids

# Restarts of a large problem are compared by how well their seeds fit a sample of so many rows per
# cluster. Iterations on the sample would fit it too closely: from where they end, all rows end 1 %
# worse (50,000 rows in 3000 clusters).
_SAMPLE_ROWS_PER_CLUSTER = 4
SEEDINGS = ("k-means++", "random", "ward")
# Rows that are looked through at once for what is not finite.
_CHECK_ROWS = 2**16


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
    seeding: str = "k-means++",
    memory_mb: int = 256,
) -> KMeansResult:
    """Lloyd's algorithm, best of several restarts.

    From k-means++ seeds the ranks share the restarts' work evenly. On more than 4096 rows they are
    compared on a sample, of at least 4 rows per cluster, and only the best one is run on all rows.
    From random rows every restart makes all its iterations on all rows, as FAISS does: up to five
    times the work, and another kind of minimum. From the clusters that Ward's method finds in up to
    4096 rows there is one run, for collections of a few thousand: the smallest sum of squared
    distances of the three there, and the best tree (docs/recipe.md). A cluster that loses all
    members takes the row that is farthest from its centroid (the second empty one the second
    farthest, and so on); from random rows half of a large cluster, as in FAISS. The result depends
    on ``seed`` and ``seeding`` only, not on the number of ranks.

    Args:
        features: (n, D) float, this rank's rows; the ranks' shards in rank order are the data set.
        num_clusters: How many clusters to find, K.
        num_iterations: Upper bound; stops before when no row changes its cluster or, from
            k-means++ seeds, when the objective falls by less than 0.01 %.
        num_restarts: Runs from different seeds, of which the one with the smallest sum of squared
            distances is kept.
        init: (K, D) first centroids instead of seeding; there is one run then.
        seed: Seeds the choice of first centroids.
        seeding: How they are chosen: 'k-means++' (the default), 'random': as many rows, drawn
            without repetition, as in the released code, or 'ward': means of Ward's clusters of up
            to 4096 rows, for at most as many clusters, without restarts.
        memory_mb: Memory that may be used beyond features, centroids and result, in MiB per rank.

    Raises:
        HCSCError: features that are not (n, D) floating point or not finite, fewer rows than
            clusters, init of another shape, or too many clusters for 'ward'.
    """
    return cluster(
        features,
        num_clusters,
        num_iterations,
        num_restarts,
        init,
        seed,
        seeding,
        nearest=partial(nearest_centroid, memory_mb=memory_mb),
    )


def cluster(
    features: Tensor,
    num_clusters: int,
    num_iterations: int,
    num_restarts: int,
    init: Tensor | None,
    seed: int,
    seeding: str,
    *,
    nearest: Nearest,
) -> KMeansResult:
    """:func:`kmeans` with any search for the nearest centroid."""
    check_seeding(seeding, num_clusters)
    num_rows = check_kmeans_input(features, num_clusters, init)
    check_whole("k-means", 1, num_clusters=num_clusters, num_restarts=num_restarts)
    check_whole("k-means", 0, num_iterations=num_iterations)
    features = features.detach().float()
    name = f"k-means, {num_clusters} clusters"
    if init is not None:
        start = init.detach().to(features)
    elif seeding == "random":
        found = _best_of_full_runs(
            features, num_rows, num_clusters, num_iterations, num_restarts, seed, nearest, name
        )
        return KMeansResult(found.centroids, found.assignment, found.squared_distance)
    elif seeding == "ward":
        start = _from_ward(features, num_rows, num_clusters, seed)
    else:
        size = min(num_rows, max(GREEDY_POINTS, _SAMPLE_ROWS_PER_CLUSTER * num_clusters))
        whole = size == num_rows
        sample = sample_rows(features, num_rows, size, seed)
        start = _best_restart(
            sample, num_clusters, num_iterations if whole else 0, num_restarts, seed, nearest, name
        )
        if whole:  # the restarts have seen all rows
            num_iterations = 0
    found = lloyd(features, start, num_iterations, nearest, description=name)
    return KMeansResult(found.centroids, found.assignment, found.squared_distance)


def check_seeding(seeding: str, num_clusters: int) -> str:
    """Refuse a kind of seeds that does not exist, or not for so many clusters."""
    if seeding not in SEEDINGS:
        raise HCSCError(
            f"seeding={seeding!r} is unknown; choose one of {', '.join(map(repr, SEEDINGS))}"
        )
    if seeding == "ward" and num_clusters > GREEDY_POINTS:
        raise HCSCError(
            f"seeding='ward' merges {GREEDY_POINTS} rows at most into clusters, and {num_clusters} "
            "are wanted; take 'k-means++'"
        )
    return seeding


def _from_ward(features: Tensor, num_rows: int, num_clusters: int, seed: int) -> Tensor:
    """(K, D) means of Ward's clusters, the same on all ranks."""
    sample = sample_rows(features, num_rows, min(num_rows, GREEDY_POINTS), seed)
    return _same_everywhere(ward_centroids(sample, num_clusters), 0)


def _best_of_full_runs(
    features: Tensor,
    num_rows: int,
    num_clusters: int,
    num_iterations: int,
    num_restarts: int,
    seed: int,
    nearest: Nearest,
    name: str,
) -> Partition:
    """Of restarts from random rows, each by all ranks on all rows, the smallest objective's."""
    best: Partition | None = None
    for restart in range(num_restarts):
        start = sample_rows(features, num_rows, num_clusters, seed + restart)
        run = lloyd(
            features,
            start,
            num_iterations,
            nearest,
            tolerance=0.0,
            splits=True,
            description=f"{name}, run {restart + 1}",
        )
        if best is None or run.objective < best.objective:
            best = run
    return best


def _best_restart(
    sample: Tensor,
    num_clusters: int,
    num_iterations: int,
    num_restarts: int,
    seed: int,
    nearest: Nearest,
    name: str,
) -> Tensor:
    """(K, D) centroids of the restart with the smallest objective; the ranks share the work
    evenly.

    Of a small sample each rank runs as many restarts alone as every other one; those left over, and
    all of a large sample, are run by all ranks together, each on its rows.
    """
    starts = seed_centroids(sample, num_clusters, [seed + run for run in range(num_restarts)])
    rank, world_size = get_rank(), get_world_size()
    mine = sample[shard_slice(len(sample))]
    if num_iterations == 0:
        fits = [nearest(mine, start)[1].sum(dtype=torch.float64) for start in track(starts, name)]
        best = starts[int(global_sum(torch.stack(fits)).argmin())]
        return _same_everywhere(best, 0)
    share = num_restarts // world_size if len(sample) <= GREEDY_POINTS else 0

    def run(restart: int, rows: Tensor, shared: bool) -> Partition:
        description = f"{name}, run {restart + 1}"
        start = starts[restart]
        return lloyd(rows, start, num_iterations, nearest, shared=shared, description=description)

    alone = [run(restart, sample, False) for restart in range(rank * share, (rank + 1) * share)]
    if world_size > 1:
        wait_for_ranks("the restarts of k-means")  # not all take as many iterations
    together = [run(restart, mine, True) for restart in range(world_size * share, num_restarts)]
    best = min([*alone, *together], key=lambda found: found.objective)
    objective = torch.tensor([best.objective], dtype=torch.float64, device=sample.device)
    return _same_everywhere(best.centroids, int(torch.cat(all_gather(objective)).argmin()))


def _same_everywhere(centroids: Tensor, rank: int) -> Tensor:
    """A rank's (K, D) centroids on all ranks."""
    centroids = centroids.contiguous()
    if get_world_size() > 1:
        broadcast(centroids, src=rank)
    return centroids


def check_kmeans_input(features: Tensor, num_clusters: int, init: Tensor | None) -> int:
    """Refuse what no back end can cluster; returns the number of rows over all ranks."""
    if features.ndim != 2 or not features.is_floating_point() or features.shape[1] == 0:
        raise HCSCError(
            f"features must be (N, D) floating point, got {tuple(features.shape)} {features.dtype}"
        )
    # In parts: a mask of all features would be a quarter as large as they are.
    finite = torch.stack(
        [torch.isfinite(rows).all() for rows in features.detach().split(_CHECK_ROWS)]
    ).all()
    # Both on all ranks at once: one rank that raises alone would leave the others waiting.
    facts = global_sum(torch.tensor([len(features), int(not finite)], dtype=torch.float64))
    num_rows, broken = int(facts[0]), int(facts[1])
    if broken:
        raise HCSCError("features contain NaN or infinite values; k-means needs finite ones")
    if not 1 <= num_clusters <= num_rows:
        raise HCSCError(
            f"num_clusters={num_clusters} must lie in [1, {num_rows}], the number of rows"
        )
    if init is not None and init.shape != (num_clusters, features.shape[1]):
        raise HCSCError(
            f"init must be ({num_clusters}, {features.shape[1]}), got {tuple(init.shape)}"
        )
    if init is not None and not bool(torch.isfinite(init).all()):
        raise HCSCError("init contains NaN or infinite values; k-means needs finite ones")
    return num_rows
