"""Explicit hard-negative sampling: only the negatives most similar to a query count."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ..losses import selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class HardestNegatives(nn.Module):
    """Contrast with a query's hardest negatives only (Wang & Liu, CVPR 2021, Section 3.3, Eq. 9).

    Beside the positive, the denominator has the negatives at or above the upper α quantile of the
    query's similarities; the others are absent. Which they are depends on the query's embedding,
    which a rule of selection in ``models/selection`` never sees; so it stands here, and what HCSC's
    selection rejects is gone before it: the head's rule must be ``rejected="absent"``.

    Args:
        share: α, of the queue, in (0, 1]; at least one negative stays. 0.1 by default, a choice of
            this library; the paper has 0.03 to 0.08 (Section 5.1).
    """

    rejected_rules = ("absent",)

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise HCSCError(f"share={share} of HardestNegatives must lie in (0, 1]")
        self.share = share

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch."""
        entries, kept = pairs.hardest(math.ceil(self.share * pairs.negative.shape[1]))
        logits = pairs.negative.gather(1, entries).masked_fill(~kept, float("-inf"))
        return selective_info_nce(pairs.positive, logits)
