"""Positives drawn apart and negatives mixed, in the space of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ..losses import selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class FeatureTransformation(nn.Module):
    """Feature transformation (Zhu et al., ICCV 2021, Section 4).

    Positives are extrapolated with λ = 1 + Beta(a, a), one for each pair: ẑ_q = λ z_q + (1 − λ)
    z_k and ẑ_k = λ z_k + (1 − λ) z_q, whose similarity is s + 2 λ (1 − λ) (1 − s) ≤ s, a harder
    positive. Negatives are interpolated in the queue, ẑ_j = μ z_j + (1 − μ) z_p(j) with a random
    permutation p and μ of Beta(b, b), and take the place of the others. As far as is known the
    transformed vectors are not scaled to unit length again, and they are not here.

    A mixture of two keys is kept if a draw of HCSC keeps both.

    Args:
        extrapolation: a, above 0, or None: positives as they are. 2 by default, the paper's.
        interpolation: b, above 0, or None: negatives as they are. 1.6 by default, the paper's, from
            memory.
    """

    def __init__(
        self, extrapolation: float | None = 2.0, interpolation: float | None = 1.6
    ) -> None:
        super().__init__()
        for name, value in (("extrapolation", extrapolation), ("interpolation", interpolation)):
            if value is not None and not value > 0:
                raise HCSCError(f"{name}={value} of FeatureTransformation must be > 0, or None")
        self.extrapolation = extrapolation
        self.interpolation = interpolation

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch of InfoNCE on the transformed pairs."""
        positive, negative, keep = pairs.positive, pairs.negative, pairs.keep
        if self.extrapolation is not None:
            share = 1 + _beta(self.extrapolation, positive)  # (B,)
            positive = extrapolated(positive, share, pairs.temperature)
        if self.interpolation is not None:
            share = _beta(self.interpolation, negative[0])  # (Q,)
            other = torch.randperm(negative.shape[1], device=negative.device)
            # Inner products are linear: mixing the logits mixes the keys.
            negative = share * negative + (1 - share) * negative[:, other]
            keep = None if keep is None else keep & keep[:, other]
        return selective_info_nce(positive, negative, keep, rejected=pairs.rejected)


def extrapolated(positive: Tensor, share: Tensor, temperature: float) -> Tensor:
    """(B,) logits of ẑ_q·ẑ_k, where ẑ are the pairs drawn apart by (B,) λ.

    As the query changes in training, its gradient is that of ẑ_q·ẑ_k for vectors of unit length:
    (λ² + (1 − λ)²) z_q·z_k + 2 λ (1 − λ), the squared lengths being 1.
    """
    product = share * (1 - share)
    return (1 - 2 * product) * positive + 2 * product / temperature


def _beta(parameter: float, like: Tensor) -> Tensor:
    value = torch.full_like(like, parameter, requires_grad=False)
    return torch.distributions.Beta(value, value).sample()
