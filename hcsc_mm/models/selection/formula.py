"""Which negatives to keep: one formula for instance and prototype negatives (HCSC, Section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...utils.precision import at_least_float32, full_precision
from ...utils.products import inner_products

# Rows of a similarity matrix that are alive at once, and its floats (256 MiB), of which there are
# fewer rows for many prototypes: the memory is bounded whatever the number of either.
_CHUNK_ROWS, _CHUNK_FLOATS = 4096, 2**26


class Draw(NamedTuple):
    """The Bernoulli draws of one view; True = keep the negative.

    Attributes:
        instances: (B, Q) bool per level; () where the view selects no instances: each query then
            has one plain InfoNCE over all keys.
        prototypes: (B, K_l) bool per level but the last, where every negative prototype is kept;
            () where the view keeps all negative prototypes of all levels.
    """

    instances: tuple[Tensor, ...]
    prototypes: tuple[Tensor, ...]


def log_partition(candidates: Tensor, prototypes: Tensor, concentrations: Tensor) -> Tensor:
    """Log of the selection softmax's denominator: log Σ_i exp(x·c_i / φ_i) for every candidate x.

    It depends on the candidate and the prototypes only, not on any query, which is why it can be
    kept (HCSC, Eq. 7 and 9).

    Args:
        candidates: (M, D) queue keys or child prototypes.
        prototypes: (K, D), unit length.
        concentrations: (K,), > 0.

    Returns:
        (M,) in float32 or wider, whatever the inputs' dtype or autocast.
    """
    with full_precision(candidates.device):
        scaled = _scaled(prototypes, concentrations).T  # (D, K)
        chunks = [
            (at_least_float32(rows) @ scaled).logsumexp(dim=1)
            for rows in candidates.split(_rows_at_once(len(prototypes)))
        ]
    return torch.cat(chunks)


def keep_probability(
    candidates: Tensor,
    prototypes: Tensor,
    concentrations: Tensor,
    anchors: Tensor,
    *,
    clamp: tuple[float, float] = (0.0, 0.999),
    log_partition: Tensor | None = None,
) -> Tensor:
    """Probability of keeping each candidate as a negative: 1 − softmax_i(x·c_i / φ_i)[anchor].

    A candidate that most likely belongs to the anchor's cluster is a probable false negative and is
    seldom kept (HCSC, Eq. 7 and 9).

    Args:
        candidates: (M, D) queue keys (instance negatives) or level-l prototypes (prototype
            negatives), unit length.
        prototypes: (K, D) of the anchors' level, unit length.
        concentrations: (K,) of the anchors' level, > 0.
        anchors: (B,) int, each query's prototype at that level.
        clamp: Bounds of the result, within [0, 1]; (0, 0.999) for instances and (0.0001, 0.999) for
            prototypes in the released code.
        log_partition: (M,), if the caller keeps the softmax's log denominator; computed here by
            default.

    Returns:
        (B, M) in float32 or wider, whatever the inputs' dtype or autocast.
    """
    if log_partition is None:
        log_partition = _log_partition(candidates, prototypes, concentrations)
    level = [(prototypes, concentrations)]
    return keep_probabilities(candidates, level, [anchors], [log_partition], clamp)[0]


def keep_probabilities(
    candidates: Tensor,
    levels: Sequence[tuple[Tensor, Tensor]],
    anchors: Sequence[Tensor],
    log_partitions: Sequence[Tensor],
    clamp: tuple[float, float],
) -> Tensor:
    """:func:`keep_probability` at several levels, of one product with the candidates.

    Args:
        candidates: (M, D), unit length.
        levels: Prototypes (K_l, D) and concentrations (K_l,) of each.
        anchors: (B,) int of each level.
        log_partitions: (M,) of each level.
        clamp: Bounds of the result.

    Returns:
        (L, B, M) in float32 or wider.
    """
    with full_precision(candidates.device):
        scaled = [
            _scaled(prototypes[own], concentrations[own])
            for (prototypes, concentrations), own in zip(levels, anchors, strict=True)
        ]
        product = inner_products(torch.cat(scaled), at_least_float32(candidates))  # (L·B, M)
        log_posterior = product.view(len(levels), len(anchors[0]), len(candidates))
        # in place: a training step makes one of these
        log_posterior.sub_(torch.stack(list(log_partitions))[:, None])
        return log_posterior.exp_().neg_().add_(1).clamp_(*clamp)


def mean_keep_probability(
    candidates: Tensor,
    prototypes: Tensor,
    concentrations: Tensor,
    log_partition: Tensor,
    sizes: Tensor,
) -> Tensor:
    """Mean of :func:`keep_probability`, without clamp, over all pairs of candidate and image.

    1 − mean over candidates x of Σ_a (share of images in a) · softmax(x)[a]: all pairs at the cost
    of (M, K).

    Args:
        candidates: (M, D), unit length.
        prototypes: (K, D), unit length.
        concentrations: (K,), > 0.
        log_partition: (M,) of the candidates.
        sizes: (K,) number of images of each prototype.

    Returns:
        () in [0, 1].
    """
    share = at_least_float32(sizes / sizes.sum())  # (K,)
    chunk = _rows_at_once(len(prototypes))
    with full_precision(candidates.device):
        scaled = _scaled(prototypes, concentrations).T  # (D, K)
        sums = [
            ((at_least_float32(rows) @ scaled - known[:, None]).exp() @ share.to(scaled)).sum()
            for rows, known in zip(candidates.split(chunk), log_partition.split(chunk), strict=True)
        ]
    return 1 - torch.stack(sums).sum() / len(candidates)


def _rows_at_once(num_prototypes: int) -> int:
    return max(1, min(_CHUNK_ROWS, _CHUNK_FLOATS // num_prototypes))


def _scaled(prototypes: Tensor, concentrations: Tensor) -> Tensor:
    """(K, D) c_i / φ_i."""
    return at_least_float32(prototypes) / at_least_float32(concentrations)[:, None]


_log_partition = log_partition  # keep_probability has an argument of the name
