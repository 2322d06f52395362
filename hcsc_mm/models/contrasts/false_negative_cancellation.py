"""False negatives found by other views of the image: taken out, or attracted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import full_precision
from ..losses import selective_info_nce
from .pairs import Pairs

_MODES = ("eliminate", "attract")


@MODELS.register_module()
class FalseNegativeCancellation(nn.Module):
    """False negative cancellation (FNC, Huynh et al., WACV 2022).

    A negative's score is its largest similarity to an image's support views; the F_i that score
    highest are taken for images of the same kind as i. They leave the denominator (elimination), or
    become positives beside the key, each with an equal share, and stay in it (attraction):

        ℒ_i = −1 / (1 + |F_i|) Σ_{p in {key} ∪ F_i} log [exp(z·p / τ) / Σ exp(z·· / τ)]

    The support of a query is the image's key and its other query views: with two crops the key
    alone, where the paper makes further crops for it; local crops serve. Scores need no gradient.
    The attraction is that of the released code (google-research/fnc, ``objective.py``), which has a
    support of eight further crops beside both views and takes the other views for positives, too;
    elimination is not in it, and the paper's equation numbers are not known here. Candidates are
    what HCSC's draw keeps: what it rejects is neither a negative nor attracted. The queue begins
    with random directions: until it has been filled once, the false negatives are random.

    Args:
        mode: 'eliminate' or 'attract'; 'attract' by default.
        num_false: Most negatives of a query to take for false ones, at least 1; 10 by default.
        min_score: Least score of a false negative, a cosine in [−1, 1]; −1, every one, by default.
            The released code has 0.7.
    """

    rejected_rules = ("zero", "absent")

    def __init__(self, mode: str = "attract", num_false: int = 10, min_score: float = -1.0) -> None:
        super().__init__()
        if mode not in _MODES:
            raise HCSCError(
                f"mode={mode!r} of FalseNegativeCancellation is unknown; choose 'eliminate' or "
                "'attract'"
            )
        if num_false < 1 or not -1 <= min_score <= 1:
            raise HCSCError(
                f"num_false={num_false} of FalseNegativeCancellation must be at least 1, and "
                f"min_score={min_score} lie in [-1, 1]"
            )
        self.mode = mode
        self.num_false = num_false
        self.min_score = min_score

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch."""
        entries, is_false = self.find(pairs)  # (B, F)
        of_false = pairs.negative.gather(1, entries)
        if self.mode == "eliminate":
            gone = of_false.masked_fill(is_false, float("-inf"))
            negative = pairs.negative.scatter(1, entries, gone)
            return selective_info_nce(pairs.positive, negative, pairs.keep, rejected=pairs.rejected)
        plain = selective_info_nce(
            pairs.positive, pairs.negative, pairs.keep, rejected=pairs.rejected
        )
        attracted = pairs.positive + (of_false * is_false).sum(dim=1)
        # The denominator is that of the plain loss: only what stands above it changes.
        return plain + (pairs.positive - attracted / (1 + is_false.sum(dim=1))).mean()

    @torch.no_grad()
    def find(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """(B, F) int64 entries of the queue that score highest, F = min(num_false, Q), and as many
        bool, False where a query keeps too few, or one scores too low.
        """
        support = [pairs.key]
        support += [view for place, view in enumerate(pairs.views) if place != pairs.view]
        with full_precision(pairs.keys.device):
            scores = support[0] @ pairs.keys.T  # (B, Q)
            for view in support[1:]:
                scores = torch.maximum(scores, view @ pairs.keys.T)
        if pairs.keep is not None:
            scores = scores.masked_fill(~pairs.keep, float("-inf"))
        best, entries = scores.topk(min(self.num_false, scores.shape[1]), dim=1)
        return entries, ~best.isneginf() & (best >= self.min_score)
