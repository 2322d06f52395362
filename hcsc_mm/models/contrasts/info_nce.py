"""The contrast of MoCo and HCSC: cross entropy of the positive against the kept negatives."""

from __future__ import annotations

from torch import Tensor, nn

from ...registry import MODELS
from ..losses import selective_info_nce
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
