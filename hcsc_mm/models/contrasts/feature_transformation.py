"""Positives drawn apart and negatives mixed, in the space of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import full_precision
from ..losses import selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class FeatureTransformation(nn.Module):
    """Feature transformation (Zhu et al., ICCV 2021), with the arithmetic of the released code.

    Positives are extrapolated with λ = 1 + Beta(a, a): ẑ_q = λ z_q + (1 − λ) z_k and
    ẑ_k = λ z_k + (1 − λ) z_q, whose similarity is s + 2 λ (1 − λ) (1 − s) ≤ s, a harder positive.
    Negatives are interpolated in the queue, ẑ_j = μ z_j + (1 − μ) z_p(j) with a random permutation
    p and μ of Beta(b, b), and take the place of the others. Logits are ẑ_q·ẑ_k / τ and ẑ_q·ẑ_j / τ:
    the drawn query meets the negatives, too. As in the released code (DTennant/
    CL-Visualizing-Feature-Transformation, ``memory/mem_moco.py``, with the options of its README)
    one λ and one μ serve a whole batch, and nothing is scaled to unit length again.

    A mixture of two keys is kept if a draw of HCSC keeps both.

    Args:
        extrapolation: a, above 0, or None: positives as they are. 2 by default, the released one.
        interpolation: b, above 0, or None: negatives as they are. 1.6 by default, the released one.
    """

    rejected_rules = ("zero", "absent")

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
            share = 1 + _beta(self.extrapolation, positive)  # ()
            positive, negative = extrapolated(pairs, share)
        if self.interpolation is not None:
            share = _beta(self.interpolation, negative)  # ()
            other = torch.randperm(negative.shape[1], device=negative.device)
            # Inner products are linear: mixing the logits mixes the keys.
            negative = share * negative + (1 - share) * negative[:, other]
            keep = None if keep is None else keep & keep[:, other]
        return selective_info_nce(positive, negative, keep, rejected=pairs.rejected)


def extrapolated(pairs: Pairs, share: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) logits of ẑ_q·ẑ_k and (B, Q) of ẑ_q·z_j, where ẑ are the pairs drawn apart by λ.

    As the query changes in training, the gradient of the first is that of ẑ_q·ẑ_k for vectors of
    unit length: (λ² + (1 − λ)²) z_q·z_k + 2 λ (1 − λ), the squared lengths being 1.
    """
    product = share * (1 - share)
    positive = (1 - 2 * product) * pairs.positive + 2 * product / pairs.temperature
    with full_precision(pairs.query.device):
        of_key = pairs.key @ pairs.keys.T / pairs.temperature  # (B, Q)
    return positive, share * pairs.negative + (1 - share) * of_key


def _beta(parameter: float, like: Tensor) -> Tensor:
    """() of Beta(parameter, parameter)."""
    value = like.new_tensor(parameter)
    return torch.distributions.Beta(value, value).sample()
