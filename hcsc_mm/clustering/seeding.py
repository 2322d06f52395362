"""First centroids for k-means."""

import math

import torch
from torch import Tensor

from ..utils.shard import first_row, global_sum


def seed_centroids(features: Tensor, num_rows: int, num_clusters: int, seed: int) -> Tensor:
    """Greedy k-means++ seeds, from a random sample of the rows when there are many.

    The sample is drawn by global index with a seeded generator, so that it is the same whatever the number of ranks.

    Args:
        features: (n, D), this rank's shard.
        num_rows: N over all ranks.
        num_clusters: K.
        seed: Of the sample and the seeds.

    Returns:
        (K, D), the same on all ranks.
    """
    generator = torch.Generator().manual_seed(seed)
    sample_size = min(num_rows, max(4096, 4 * num_clusters))
    chosen = torch.randperm(num_rows, generator=generator)[:sample_size].to(features.device)
    local = chosen - first_row(features)
    mine = (local >= 0) & (local < len(features))
    sample = features.new_zeros(sample_size, features.shape[1])
    sample[mine] = features[local[mine]]
    return greedy_kmeans_plus_plus(global_sum(sample), num_clusters, generator)


def greedy_kmeans_plus_plus(points: Tensor, num_clusters: int, generator: torch.Generator) -> Tensor:
    """Seeds one after another: of several points drawn with probability ∝ squared distance to the nearest seed, the one that helps most.

    k-means++ (Arthur & Vassilvitskii, 2007) in its greedy form, with 2 + ⌊ln K⌋ candidates as in scikit-learn. On a few dozen points, as
    in the upper levels of a hierarchy, it reaches much smaller sums of squares than random seeds. The draws are a loop by nature; each
    step is one matrix product.
    """
    num_candidates = 2 + int(math.log(num_clusters))
    uniform = torch.rand(num_clusters, num_candidates, generator=generator, dtype=torch.float64).to(points.device)
    norms = points.square().sum(dim=1)
    chosen = torch.empty(num_clusters, dtype=torch.long, device=points.device)
    chosen[0] = (uniform[0, 0] * len(points)).long()
    nearest = (points - points[chosen[0]]).square().sum(dim=1)  # (n,)
    for k in range(1, num_clusters):
        cumulative = nearest.double().cumsum(dim=0)
        # All distances zero (only duplicates left): any point is as good, and the clamp picks the last.
        candidates = torch.searchsorted(cumulative, uniform[k] * cumulative[-1], right=True).clamp(max=len(points) - 1)
        distance = torch.addmm(norms[:, None] + norms[candidates], points, points[candidates].T, alpha=-2)  # (n, candidates)
        distance[candidates, torch.arange(num_candidates, device=points.device)] = 0  # exactly, or a seed could be drawn again
        remaining = torch.minimum(distance.clamp(min=0), nearest[:, None])
        best = remaining.sum(dim=0).argmin()
        chosen[k], nearest = candidates[best], remaining[:, best]
    return points[chosen].clone()
