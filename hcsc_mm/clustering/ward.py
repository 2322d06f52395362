"""Ward's method: merging from the leaves up (Ward, 1963)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def ward_centroids(points: Tensor, num_clusters: int, sizes: Tensor | None = None) -> Tensor:
    """Means of the clusters that Ward's method merges points into: at each step the two whose union
    adds least to the sum of squared distances.

    All distances between the points are kept: 4 n² bytes, with sizes 8 n².

    Args:
        points: (n, D) float.
        num_clusters: K, at most n.
        sizes: (n,) int, how many rows each point stands for, at least 1; None: one each, and
            scikit-learn merges them, which is faster.

    Returns:
        (K, D), each row counted once for a point of one, and so many times for one of a size.
    """
    if sizes is None:
        # here: it takes a second to import, and only these seeds need it
        from sklearn.cluster import AgglomerativeClustering

        merged = AgglomerativeClustering(num_clusters, linkage="ward")
        found = merged.fit_predict(points.cpu().numpy())
    else:
        found = np.arange(len(points))
        merges = ward_merges(sizes.cpu().numpy(), points.cpu().numpy())
        for _ in range(len(points) - num_clusters):
            stays, gone = next(merges)
            found[found == gone] = stays
        found = np.unique(found, return_inverse=True)[1]
    clusters = torch.from_numpy(found).to(points.device)
    weights = torch.ones_like(clusters) if sizes is None else sizes.to(clusters)
    sums = points.new_zeros(num_clusters, points.shape[1], dtype=torch.float64)
    sums.index_add_(0, clusters, weights[:, None] * points.double())
    totals = weights.new_zeros(num_clusters).index_add_(0, clusters, weights)
    return (sums / totals[:, None]).to(points)


def ward_merges(sizes: NDArray, means: NDArray) -> Iterator[tuple[int, int]]:
    """Merge clusters two by two, each time those whose union adds least to the sum of squares about
    the means (Ward 1963).

    Args:
        sizes: (K,) images of each cluster, at least 1.
        means: (K, D) of them.

    Yields:
        K − 1 times the cluster that stays, with the union's images, and the one that is gone.
    """
    sizes, means = sizes.astype(np.float64), means.astype(np.float64)
    cost = np.stack([_added(sizes, means, one) for one in range(len(sizes))])
    np.fill_diagonal(cost, np.inf)
    for _ in range(len(sizes) - 1):
        stays, gone = np.unravel_index(cost.argmin(), cost.shape)
        total = sizes[stays] + sizes[gone]
        means[stays] = (sizes[stays] * means[stays] + sizes[gone] * means[gone]) / total
        sizes[stays], sizes[gone] = total, np.inf
        added = _added(sizes, means, stays)
        added[[stays, gone]] = np.inf
        added[np.isinf(sizes)] = np.inf
        cost[stays], cost[:, stays] = added, added
        cost[gone], cost[:, gone] = np.inf, np.inf
        yield int(stays), int(gone)


def _added(sizes: NDArray, means: NDArray, one: int) -> NDArray:
    """(K,) what the union with each other cluster adds to the sum of squares."""
    weights = sizes[one] / (1 + sizes[one] / sizes)  # n m / (n + m), n where m is infinite
    return weights * np.square(means - means[one]).sum(axis=1)
