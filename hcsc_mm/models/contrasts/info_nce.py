"""The contrast of MoCo and HCSC: cross entropy of the positive against the kept negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...registry import MODELS
from ..losses import MOST_APART, info_nce_of_draws, selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class InfoNCE(nn.Module):
    """InfoNCE (MoCo, Eq. 1), and the selective one where negatives are rejected (HCSC, Eq. 8).

    Another contrast is another module with this ``forward``, named as ``contrast`` of a head.

    Attributes:
        rejected_rules: What a rejected negative may leave in its denominator, of 'zero' and
            'absent'. A head refuses a rule that its contrast does not have.
    """

    rejected_rules = ("zero", "absent")

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch."""
        return selective_info_nce(
            pairs.positive, pairs.negative, pairs.keep, rejected=pairs.rejected
        )

    def of_draws(self, pairs: Pairs, keeps: Sequence[Tensor]) -> Tensor:
        """(L,) :meth:`forward` for each of L draws in the place of ``pairs.keep``, all at once."""
        if 2 / pairs.temperature > MOST_APART:  # logits of unit length lie within ± 1 / τ
            return torch.stack([self(replace(pairs, keep=keep)) for keep in keeps])
        return info_nce_of_draws(pairs.positive, pairs.negative, keeps, rejected=pairs.rejected)
