"""Whether an embedding still spreads: a collapsed one gives every image the same features, and its
loss need not show it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def relative_std(embeddings: Tensor) -> Tensor:
    """Standard deviation of an embedding per dimension, as a share of what it is on an evenly
    filled sphere, 1 / √D.

    Args:
        embeddings: (N, D) unit length.

    Returns:
        (): 1 when the rows spread evenly, 0 when all are equal (Chen & He, SimSiam, Section 4.1,
        without their factor √D).
    """
    return embeddings.float().std(dim=0, correction=0).mean() * math.sqrt(embeddings.shape[1])


def effective_rank(embeddings: Tensor) -> Tensor:
    """exp of the entropy of the singular values, made to add up to 1 (Roy & Vetterli 2007; RankMe,
    Garrido et al. 2023, Equation 1).

    Args:
        embeddings: (N, D).

    Returns:
        (): from 1, all rows on one line, to min(N, D), all directions used alike. 0 for a matrix of
        zeros.
    """
    singular_values = torch.linalg.svdvals(embeddings.float())
    total = singular_values.sum()
    share = singular_values / total
    # No ε as in RankMe's code, which makes 1 + something of a line: 0 · log 0 is 0.
    return torch.where(total > 0, torch.special.entr(share).sum().exp(), torch.zeros_like(total))


class ClusterBalance(NamedTuple):
    """How evenly images are spread over clusters.

    Attributes:
        largest_share: Share of the images in the largest cluster; 1 / K when even, 1 when one has
            them all.
        entropy: Entropy of the cluster sizes, divided by log K: 1 when even, 0 when one has them
            all.
    """

    largest_share: float
    entropy: float


def cluster_balance(assignment: Tensor, num_clusters: int) -> ClusterBalance:
    """Balance of a clustering.

    Args:
        assignment: (N,) int cluster of each image.
        num_clusters: K, at least 2.
    """
    return size_balance(torch.bincount(assignment.long(), minlength=num_clusters))


def size_balance(sizes: Tensor) -> ClusterBalance:
    """Balance of a clustering by the (K,) sizes of its clusters, K at least 2."""
    share = sizes.float() / sizes.sum()  # (K,)
    entropy = torch.special.entr(share).sum() / math.log(len(sizes))
    return ClusterBalance(float(share.max()), float(entropy))
