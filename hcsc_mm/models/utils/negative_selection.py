"""Which negatives to keep: one formula for instance and for prototype negatives (HCSC, Section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...structures import log_partition as compute_log_partition


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
    """Probability of keeping each candidate as a negative: 1 − softmax_i(x·c_i / φ_i)[anchor] (HCSC, Eq. 7 and 9).

    A candidate that most likely belongs to the anchor's cluster is a probable false negative and is seldom kept.

    Args:
        candidates: (M, D) queue keys (instance negatives) or level-l prototypes (prototype negatives), unit length.
        prototypes: (K, D) of the anchors' level, unit length.
        concentrations: (K,) of the anchors' level, > 0.
        anchors: (B,) int, each query's prototype at that level.
        clamp: bounds of the result; (0, 0.999) for instances and (0.0001, 0.999) for prototypes in the released code.
        log_partition: (M,), if the caller keeps the softmax's log denominator; computed here otherwise.

    Returns:
        (B, M) in float32, whatever the inputs' dtype or autocast.
    """
    if log_partition is None:
        log_partition = compute_log_partition(candidates, prototypes, concentrations)
    with torch.autocast(candidates.device.type, enabled=False):
        scaled_anchors = prototypes[anchors].float() / concentrations[anchors].float()[:, None]  # (B, D)
        log_posterior = scaled_anchors @ candidates.float().T - log_partition  # (B, M)
        return (1 - log_posterior.exp()).clamp(*clamp)
