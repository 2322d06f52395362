"""Which negatives to keep: one formula for instance and for prototype negatives (HCSC, Section
3.2).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...structures import log_partition as compute_log_partition
from ...utils.products import inner_products


class Draw(NamedTuple):
    """One Bernoulli draw per (query, candidate, level) of one view; True = keep the negative.

    Attributes:
        instances: (B, Q) bool per level.
        prototypes: (B, K_l) bool per level but the last, where every negative prototype is kept.
    """

    instances: tuple[Tensor, ...]
    prototypes: tuple[Tensor, ...]


def keep_probability(
    candidates: Tensor,
    prototypes: Tensor,
    concentrations: Tensor,
    anchors: Tensor,
    *,
    clamp: tuple[float, float] = (0.0, 0.999),
    log_partition: Tensor | None = None,
) -> Tensor:
    """Probability of keeping each candidate as a negative: 1 − softmax_i(x·c_i / φ_i)[anchor]
    (HCSC, Eq. 7 and 9).

    A candidate that most likely belongs to the anchor's cluster is a probable false negative and is
    seldom kept.

    Args:
        candidates: (M, D) queue keys (instance negatives) or level-l prototypes (prototype
            negatives), unit length.
        prototypes: (K, D) of the anchors' level, unit length.
        concentrations: (K,) of the anchors' level, > 0.
        anchors: (B,) int, each query's prototype at that level.
        clamp: bounds of the result; (0, 0.999) for instances and (0.0001, 0.999) for prototypes in
            the released code.
        log_partition: (M,), if the caller keeps the softmax's log denominator; computed here
            otherwise.

    Returns:
        (B, M) in float32, whatever the inputs' dtype or autocast.
    """
    if log_partition is None:
        log_partition = compute_log_partition(candidates, prototypes, concentrations)
    with torch.autocast(candidates.device.type, enabled=False):
        scaled_anchors = (
            prototypes[anchors].float() / concentrations[anchors].float()[:, None]
        )  # (B, D)
        log_posterior = inner_products(scaled_anchors, candidates.float(), -log_partition)  # (B, M)
        return (
            log_posterior.exp_().neg_().add_(1).clamp_(*clamp)
        )  # in place: a training step makes L of these


def bernoulli(probability: Tensor) -> Tensor:
    """One draw per entry, True with its probability.

    Random bits are what selection spends most on after the products, so an entry takes 16 of them
    instead of a float's 32, and all share the 8 bits v that follow: (a + v) / 2¹⁶, with a in 0 …
    2¹⁶ − 1 and v in 0, 1/256, … 255/256, is as fine as ``torch.rand``, so that every single
    probability is met. Two draws depend on each other only if both fall within 2⁻¹⁶ of their
    probabilities.

    Args:
        probability: float32, any shape and device.

    Returns:
        bool of the same shape.
    """
    words = torch.empty(
        (probability.numel() + 3) // 4, dtype=torch.int64, device=probability.device
    ).random_(-(2**63), None)
    coarse = words.view(torch.int16)[: probability.numel()].view(probability.shape)  # a − 2¹⁵
    fine = torch.randint(256, (), device=probability.device) / 256  # v
    return coarse < (probability * 2.0**16).sub_(
        fine + 2.0**15
    )  # exact: float32 has eighths of a bit to spare at 2¹⁵
