"""MoCHi: further negatives, mixed from the hardest ones and from them and the query."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import full_precision
from ..losses import selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class HardNegativeMixing(nn.Module):
    """Hard negative mixing for contrastive learning (MoCHi, Kalantidis et al., NeurIPS 2020).

    Of the N kept negatives n that are most similar to a query q, s pairs are mixed,
    h = α n_i + (1 − α) n_j with uniform α in (0, 1), and s' are mixed with the query,
    h' = β q + (1 − β) n_j with uniform β in (0, 0.5), each scaled to unit length. They stand in the
    denominator beside the others; no gradient flows into a mixture. No code of the authors and no
    numbers of equations were at hand; ranges and missing gradient agree with a public
    reimplementation (MiOC). A pair may be one negative twice, which leaves it as it is. With HCSC's
    selection only what a draw keeps is mixed, and a query that keeps nothing has no mixtures.

    Args:
        num_hardest: N, negatives to mix from, at least 1; 1024 by default. The queue's length, if
            it is shorter.
        num_mixed: s, mixtures of two negatives, at least 0; 1024 by default.
        num_query_mixed: s', mixtures of query and negative, at least 0; 128 by default. The paper
            names its runs (N, s, s'); that (1024, 1024, 128) is one of them is from memory, not
            verified. It mixes after a warm-up of some epochs, which is not done here.
    """

    rejected_rules = ("zero", "absent")

    def __init__(
        self, num_hardest: int = 1024, num_mixed: int = 1024, num_query_mixed: int = 128
    ) -> None:
        super().__init__()
        if num_hardest < 1 or num_mixed < 0 or num_query_mixed < 0:
            raise HCSCError(
                f"num_hardest={num_hardest} must be at least 1, num_mixed={num_mixed} and "
                f"num_query_mixed={num_query_mixed} at least 0"
            )
        self.num_hardest = num_hardest
        self.num_mixed = num_mixed
        self.num_query_mixed = num_query_mixed

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch of InfoNCE with the mixtures as further negatives."""
        mixtures, is_mixture = self.mix(pairs)
        with full_precision(mixtures.device):
            logits = torch.einsum("bd,bsd->bs", pairs.query, mixtures) / pairs.temperature
        logits = logits.masked_fill(~is_mixture, float("-inf"))
        negative = torch.cat([pairs.negative, logits], dim=1)  # (B, Q + s + s')
        keep = None
        if pairs.keep is not None:
            keep = torch.cat([pairs.keep, torch.ones_like(is_mixture)], dim=1)
        return selective_info_nce(pairs.positive, negative, keep, rejected=pairs.rejected)

    @torch.no_grad()
    def mix(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """(B, s + s', D) mixtures, unit length, and (B, s + s') bool, False where a query keeps too
        few negatives and a rejected one would have been mixed.
        """
        entries, kept = pairs.hardest(self.num_hardest)  # (B, N)
        size, both = (len(entries), self.num_mixed), self.num_mixed + self.num_query_mixed
        first = torch.randint(entries.shape[1], size, device=entries.device)
        second = torch.randint(entries.shape[1], (len(entries), both), device=entries.device)
        share = torch.rand(len(entries), both, 1, device=entries.device, dtype=pairs.query.dtype)
        share[:, self.num_mixed :] /= 2  # β
        own = pairs.query.detach()[:, None].expand(-1, self.num_query_mixed, -1)
        one = torch.cat([pairs.keys[entries.gather(1, first)], own], dim=1)  # (B, s + s', D)
        other = pairs.keys[entries.gather(1, second)]
        is_mixture = kept.gather(1, second)
        is_mixture[:, : self.num_mixed] &= kept.gather(1, first)
        return F.normalize(share * one + (1 - share) * other, dim=2), is_mixture
