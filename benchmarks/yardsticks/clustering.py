"""The released code's clustering: FAISS, five restarts of twenty iterations on all points, level by
level.
"""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import torch
import torch.nn.functional as F
from torch import Tensor


def faiss_hierarchy(features: Tensor, num_prototypes: Sequence[int], seed: int = 0) -> list[float]:
    """Cluster the features, then the unit-length centroids, and so on; the sum of squared distances
    of every level.
    """
    members, objectives = features.cpu(), []
    for number in num_prototypes:
        run = faiss.Kmeans(
            members.shape[1],
            number,
            niter=20,
            nredo=5,
            seed=seed,
            gpu=features.is_cuda,
            max_points_per_centroid=len(members),  # no sampling
            min_points_per_centroid=1,
        )
        run.train(members.contiguous().numpy())
        distance, _ = run.index.search(members.contiguous().numpy(), 1)
        objectives.append(float(distance.sum(dtype="float64")))
        members = F.normalize(torch.from_numpy(run.centroids), dim=1)
    return objectives
