"""The nearest centroid of every row: where k-means spends its time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.products import inner_products

# Floats of the (rows, K) score matrix that are alive at once: on a CPU what fits its caches,
# elsewhere a share of the memory budget.
_CPU_CHUNK_FLOATS = 2**21
# |a float32 sum of D products, in any order, minus the exact one| ≤ D · 2⁻²⁴ · |x||c| (Higham,
# Accuracy and Stability, Section 3.1).
_UNIT_ROUNDOFF = 2.0**-24
# Exact scores that differ by less are equal: the same centroid twice.
_SAME = 1e-12
# Centroids in a block; a minimum over fewer numbers than about a hundred is not vectorised well.
_BLOCK = 128


def nearest_centroid(
    features: Tensor, centroids: Tensor, memory_mb: int = 256
) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each row, in chunks of bounded memory.

    Computed in float32, and again in float64 for the rows whose two best centroids are closer
    together than float32 can tell. So the answer depends on neither chunks nor threads nor the
    number of ranks; of equal centroids the first one is taken.

    Args:
        features: (n, D) float32.
        centroids: (K, D) float32.
        memory_mb: Memory that may be used beyond the arguments and the result, in MiB.

    Returns:
        (n,) int64 index and (n,) squared L2 distance, the latter from the difference itself: |x|² −
        2x·c + |c|² loses the digits that matter when x is close to c.
    """
    index = torch.empty(len(features), dtype=torch.long, device=features.device)
    distance = features.new_empty(len(features))
    doubtful = torch.empty(len(features), dtype=torch.bool, device=features.device)
    scorer = _Scorer(centroids)
    chunk = max(
        1, _chunk_floats(features.device, memory_mb) // max(len(centroids), features.shape[1])
    )
    for start in range(0, len(features), chunk):
        rows, part = features[start : start + chunk], slice(start, start + chunk)
        index[part], doubtful[part] = scorer(rows)
        distance[part] = (rows - centroids[index[part]]).square().sum(dim=1)
    again = doubtful.nonzero().squeeze(1)
    for part in again.split(max(1, chunk // 4)):
        index[part] = _nearest_in_float64(features[part], centroids)
        distance[part] = (features[part] - centroids[index[part]]).square().sum(dim=1)
    return index, distance


class _Scorer:
    """|c|²/2 − x·c of rows x against all centroids c: its smallest is the nearest.

    The smallest of a row is found in two steps, the best block of 128 centroids and the best one in
    it, since the minimum of a block takes a fraction of the time of an argmin over the row; the
    second best of both tells how clear the answer is.
    """

    def __init__(self, centroids: Tensor) -> None:
        padding = -len(centroids) % _BLOCK
        self.negative = F.pad(-centroids, (0, 0, 0, padding))
        self.half_norm = F.pad(centroids.square().sum(dim=1) / 2, (0, padding), value=float("inf"))
        self.longest = centroids.norm(dim=1).max()

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) index of the nearest centroid, and (n,) bool whether rounding may have decided."""
        scores = inner_products(rows, self.negative, self.half_norm).view(
            len(rows), -1, _BLOCK
        )  # (n, blocks, 128)
        blocks = scores.amin(dim=2)
        best_block = blocks.argmin(dim=1)
        inside = scores[torch.arange(len(rows), device=rows.device), best_block]  # (n, 128)
        best_inside = inside.argmin(dim=1)
        doubt = 2 * rows.shape[1] * _UNIT_ROUNDOFF * rows.norm(dim=1) * self.longest
        unclear = (_lead(blocks, best_block) <= doubt) | (_lead(inside, best_inside) <= doubt)
        return best_block * _BLOCK + best_inside, unclear


def _lead(scores: Tensor, smallest: Tensor) -> Tensor:
    """(n,) by how much the smallest of each row of (n, M), at column ``smallest``, is below the
    second smallest; ∞ if M is 1.
    """
    column = smallest[:, None]
    return scores.scatter(1, column, float("inf")).amin(dim=1) - scores.gather(1, column).squeeze(1)


def _nearest_in_float64(rows: Tensor, centroids: Tensor) -> Tensor:
    centroids = centroids.double()
    scores = centroids.square().sum(dim=1) / 2 - rows.double() @ centroids.T  # (n, K)
    return (scores <= scores.amin(dim=1, keepdim=True) + _SAME).byte().argmax(dim=1)


def _chunk_floats(device: torch.device, memory_mb: int) -> int:
    """Scores take four bytes each; as much again is left for what is made of them."""
    budget = memory_mb * 2**20 // 16
    return min(budget, _CPU_CHUNK_FLOATS) if device.type == "cpu" else budget
