"""First centroids for k-means."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from ..utils.products import inner_products
from ..utils.ranks import wait_for_ranks
from ..utils.shard import all_gather_rows, first_row, global_sum, shard_slice

# Up to here all distances between the points are kept (64 MiB), and seeds are drawn one after
# another.
GREEDY_POINTS = 4096
# Beyond, they are drawn in so many rounds.
_ROUNDS = 16
# Up to here a sample is the beginning of an order of all rows (1 GB).
_ORDERED = 2**27
# Points whose distances are one product in a round. Ranks share whole blocks: their bits then do
# not tell how many ranks there were.
_BLOCK_POINTS = 512


def sample_rows(features: Tensor, num_rows: int, size: int, seed: int) -> Tensor:
    """(size, D) random rows of all ranks, the same on every rank.

    Drawn by global index with a seeded generator, so that they are the same whatever the number of
    ranks.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = different_numbers(num_rows, size, generator).to(features.device)
    local = chosen - first_row(features)
    mine = (local >= 0) & (local < len(features))
    sample = features.new_zeros(size, features.shape[1])
    sample[mine] = features[local[mine]]
    return global_sum(sample)


def different_numbers(number: int, size: int, generator: torch.Generator) -> Tensor:
    """(size,) int64 different numbers from 0 to ``number`` - 1, at random.

    A few of very many are drawn without the order of all, which is 8 GB at 10⁹ on every rank.
    """
    if number <= _ORDERED or 8 * size > number:
        return torch.randperm(number, generator=generator)[:size]
    drawn = torch.empty(0, dtype=torch.long)
    while len(drawn) < size:  # once, but for a chance that nobody will see
        more = torch.randint(number, (size + size // 4 + 64,), generator=generator)
        drawn = torch.cat([drawn, more]).unique()
    return drawn[torch.randperm(len(drawn), generator=generator)[:size]]


def seed_centroids(points: Tensor, num_clusters: int, seeds: Sequence[int]) -> list[Tensor]:
    """(K, D) first centroids for each of several restarts, rows of the points, spread by k-means++
    (Arthur & Vassilvitskii, 2007).

    Up to 4096 points: greedy k-means++. More: k-means++ in rounds, since a step for each of
    thousands of seeds over tens of thousands of points would take longer than the clustering
    itself. The ranks share the work: of greedy seeds each does some restarts, of rounds each does
    some of the points.

    Args:
        points: (n, D) float32, the same on all ranks, which call this together.
        num_clusters: K ≤ n.
        seeds: One per restart; a restart's centroids depend on its own seed only.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if len(points) > GREEDY_POINTS:
        return [points[chosen] for chosen in seeds_in_rounds(points, num_clusters, generators)]
    mine = generators[shard_slice(len(generators))]
    chosen = torch.empty(0, num_clusters, dtype=torch.long, device=points.device)
    if mine:
        chosen = greedy_seeds(points, num_clusters, mine)
    if get_world_size() > 1:
        wait_for_ranks("the seeds of k-means")  # the ranks' shares differ
    return [points[of_restart] for of_restart in all_gather_rows(chosen)]


def greedy_seeds(
    points: Tensor, num_clusters: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """Seeds one after another: of several points drawn with probability ∝ squared distance to the
    nearest seed, the one that helps most.

    k-means++ in its greedy form, with 2 + ⌊ln K⌋ candidates as in scikit-learn. On a few points per
    cluster, as in the upper levels of a hierarchy, it reaches much smaller sums of squares than
    random seeds. The draws are a loop by nature; all restarts take each step together.

    Returns:
        (R, K) int64, indices of points, for R generators.
    """
    num_candidates, device = 2 + int(math.log(num_clusters)), points.device
    uniform = torch.stack(
        [
            torch.rand(num_clusters, num_candidates, generator=g, dtype=torch.float64)
            for g in generators
        ]
    ).to(device)
    between = _squared_distances(points, points).fill_diagonal_(
        0
    )  # (n, n); exactly 0, or a seed could be drawn again
    restarts = torch.arange(len(generators), device=device)
    chosen = torch.empty(len(generators), num_clusters, dtype=torch.long, device=device)
    chosen[:, 0] = (uniform[:, 0, 0] * len(points)).long()
    nearest = between[chosen[:, 0]]  # (R, n)
    for k in range(1, num_clusters):
        cumulative = nearest.cumsum(dim=1, dtype=torch.float64)
        # All distances zero (only duplicates left): any point is as good, and the clamp picks the
        # last.
        candidates = torch.searchsorted(
            cumulative, uniform[:, k] * cumulative[:, -1:], right=True
        ).clamp_(max=len(points) - 1)
        rows = between.index_select(0, candidates.flatten()).view(
            *candidates.shape, -1
        )  # between[candidates], copied row by row
        remaining = torch.minimum(rows, nearest[:, None])  # (R, candidates, n)
        best = remaining.sum(dim=2).argmin(dim=1)
        chosen[:, k], nearest = candidates[restarts, best], remaining[restarts, best]
    return chosen


def seeds_in_rounds(
    points: Tensor, num_clusters: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """k-means++ with many seeds a round, each round drawn with probability ∝ squared distance to
    the seeds of the rounds before.

    One matrix product a round, as in k-means‖ (Bahmani et al., 2012), but without its oversampling.
    Each rank measures the distances of its own points, and all gather them once a round.

    Returns:
        (R, K) int64, indices of different points, for R generators.
    """
    number = len(points)
    chosen = torch.stack(
        [torch.randint(number, (1,), generator=generator) for generator in generators]
    ).to(points.device)
    mine = _own_points(number)
    own = points.new_full((mine.stop - mine.start, len(generators)), float("inf"))
    fresh = chosen
    for remaining_rounds in range(_ROUNDS, 0, -1):
        for part, rows in zip(
            own.split(_BLOCK_POINTS), points[mine].split(_BLOCK_POINTS), strict=True
        ):
            for restart, seeds in enumerate(fresh):
                distance = _squared_distances(rows, points[seeds]).amin(dim=1)
                part[:, restart] = torch.minimum(part[:, restart], distance)
        wanted = -(-(num_clusters - chosen.shape[1]) // remaining_rounds)
        if wanted == 0:
            break
        nearest = all_gather_rows(own)  # (n, R)
        fresh = torch.stack(
            [
                _weighted_draw(nearest[:, restart], chosen[restart], wanted, generator)
                for restart, generator in enumerate(generators)
            ]
        )
        chosen = torch.cat([chosen, fresh], dim=1)
    return chosen


def _weighted_draw(
    weights: Tensor, taken: Tensor, number: int, generator: torch.Generator
) -> Tensor:
    """(number,) int64 indices of (n,) weights ≥ 0, without replacement and without those taken.

    The largest of log weight + Gumbel noise are such a draw (Vieira, 2014).
    """
    noise = -torch.empty(len(weights)).exponential_(generator=generator).log_().to(weights.device)
    order = weights.clamp(min=torch.finfo(weights.dtype).tiny).log() + noise
    return order.index_fill_(0, taken, float("-inf")).topk(number).indices


def _own_points(number: int) -> slice:
    """This rank's of so many points: whole blocks, and at the end the rest."""
    blocks = shard_slice(-(-number // _BLOCK_POINTS))
    return slice(blocks.start * _BLOCK_POINTS, min(number, blocks.stop * _BLOCK_POINTS))


def _squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """(n, K), up to the rounding of |x|² − 2x·c + |c|²."""
    product = inner_products(points, -2 * others, others.square().sum(dim=1))
    return product.add_(points.square().sum(dim=1, keepdim=True)).clamp_(min=0)
