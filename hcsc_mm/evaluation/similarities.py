"""What an embedding's similarities say of it: close positives, an even sphere, tolerant clusters,
and how much of the gradient the hardest negatives get.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    """Mean similarity of two images of one group (tolerance: Wang & Liu, CVPR 2021, Eq. 11).

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
    2021, Section 3.2, Eq. 5, the relative penalty): the smaller τ, the more the hardest get.

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


def of_two_views(
    one: Tensor, other: Tensor, temperatures: Sequence[float], hard_share: float = 0.1
) -> dict[str, Tensor]:
    """What the similarities of two views say that needs no groups, () each, by name.

    Args:
        one, other: (N, D), unit length, views of the same images, N at least 2.
        temperatures: τ of each 'hard_share_t<τ>', see :func:`hard_gradient_share`.
        hard_share: Share of the negatives that counts as the hardest, in (0, 1]; 0.1 by default.

    Returns:
        'alignment', 'uniformity' of the first view, mean and variance of positives and of
        negatives, which are the other views of other images (Zhu et al., ICCV 2021), and the hard
        negatives' shares.
    """
    similarities = one @ other.T  # (N, N)
    negatives = others(similarities)
    scores = {"alignment": alignment(one, other), "uniformity": uniformity(one)}
    for kind, values in {"positive": similarities.diagonal(), "negative": negatives}.items():
        variance, mean = torch.var_mean(values, correction=0)
        scores |= {f"{kind}_mean": mean, f"{kind}_variance": variance}
    for temperature in temperatures:
        share = hard_gradient_share(negatives, temperature, hard_share)
        scores[f"hard_share_t{temperature:g}"] = share
    return scores


def others(similarities: Tensor) -> Tensor:
    """(N, N) similarities of every image to every image → (N, N − 1) without its own."""
    own = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    return similarities[~own].view(len(similarities), -1)
