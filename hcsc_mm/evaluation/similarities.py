"""What an embedding's similarities say of it: close positives, an even sphere, tolerant clusters,
and how much of the gradient the hardest negatives get.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def alignment(one: Tensor, other: Tensor, power: float = 2.0) -> Tensor:
    """Mean distance of positive pairs, E ‖x − y‖^α (Wang & Isola, ICML 2020, ℒ_align).

    Args:
        one: (N, D), unit length.
        other: (N, D), unit length, the other view of the same images.
        power: α, above 0; 2 by default, as in the paper's code.

    Returns:
        (): 0 if both views of every image have one embedding, at most 2^α.
    """
    return (one - other).norm(dim=1).pow(power).mean()


def uniformity(embeddings: Tensor, scale: float = 2.0) -> Tensor:
    """How unevenly embeddings lie on the sphere, log E exp(−t ‖x − y‖²) over all pairs of two
    (Wang & Isola, ICML 2020, ℒ_uniform).

    Args:
        embeddings: (N, D), unit length, N at least 2.
        scale: t, above 0; 2 by default, as in the paper's code.

    Returns:
        (): 0 if all are equal, at least −4 t; lower is more even.
    """
    return torch.pdist(embeddings).square().mul(-scale).exp().mean().log()


def tolerance(embeddings: Tensor, groups: Tensor) -> Tensor:
    """Mean similarity of two images of one group (Wang & Liu, CVPR 2021, tolerance).

    The paper's formula has an indicator of equal labels inside an expectation over all pairs; as in
    its words, the mean here is over the pairs of equal labels, so that it does not depend on how
    many groups there are.

    Args:
        embeddings: (N, D), unit length.
        groups: (N,) int, labels or clusters.

    Returns:
        () in [−1, 1]; NaN if no two images are of one group.
    """
    same = groups[:, None] == groups
    same.fill_diagonal_(False)
    return (embeddings @ embeddings.T)[same].mean()


def hard_gradient_share(negatives: Tensor, temperature: float, share: float = 0.1) -> Tensor:
    """Share of InfoNCE's gradient by the negatives that falls on the hardest of them.

    The gradient by a negative's similarity s_ij is in proportion to exp(s_ij / τ) (Wang & Liu, CVPR
    2021, "relative penalty on negative samples"): the smaller τ, the more the hardest get.

    Args:
        negatives: (N, M) similarities of each anchor to its negatives, M at least 1.
        temperature: τ, above 0.
        share: Of the negatives, in (0, 1], rounded up: which are the hardest; 0.1 by default.

    Returns:
        () mean over the anchors, from ``share`` (all count alike) to 1.
    """
    number = math.ceil(share * negatives.shape[1])
    penalty = (negatives / temperature).softmax(dim=1)
    return penalty.topk(number, dim=1).values.sum(dim=1).mean()


def others(similarities: Tensor) -> Tensor:
    """(N, N) similarities of every image to every image → (N, N − 1) without its own."""
    own = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    return similarities[~own].view(len(similarities), -1)
