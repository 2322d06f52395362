"""GroCo: sorted by similarity, the negatives come before the positive."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import full_precision
from ..losses.soft_sorting import soft_permutation
from .pairs import Pairs


@MODELS.register_module()
class GroupOrdering(nn.Module):
    """Group ordering constraints (GroCo, Shvetsova et al., ICCV 2023).

    The similarities of a query to its hardest negatives, ascending, and to its key go through a
    differentiable sorting network. For each of them, the share that comes out among the places of
    the positives, here the last one, is a prediction of whether it is a positive: binary cross
    entropy, the mean over all.

    Network, order of the inputs, loss and defaults are the released code's
    (ninatu/learning_by_sorting, ``losses/groco.py``). There, negatives are the other images of a
    large batch and positives all other whole crops; here, they are the queue's keys and the image's
    one key. The temperature of the head has no effect.

    Of few classes the hardest keys of a whole queue are images of the query's own kind, and a
    network that moves away from them alone learns nothing; ``candidates`` looks for them among a
    random few.

    What HCSC's draw rejects is not sorted, and the head's rule must be ``rejected="absent"``: a
    query with fewer kept negatives has fewer terms, and their places are filled by the least
    similarity there is, −1.

    Args:
        num_negatives: Hardest negatives to sort, at least 1; 10 by default.
        steepness: Of the network's swaps, above 0; 1 by default. The larger, the less a pair that
            is in order already counts.
    """

    rejected_rules = ("absent",)

    def __init__(
        self, num_negatives: int = 10, steepness: float = 1.0, candidates: int | None = None
    ) -> None:
        super().__init__()
        if num_negatives < 1 or steepness <= 0 or (candidates is not None and candidates < 1):
            raise HCSCError(
                f"num_negatives={num_negatives} and candidates={candidates} of GroupOrdering must "
                f"be at least 1, and steepness={steepness} above 0"
            )
        self.num_negatives = num_negatives
        self.steepness = steepness
        self.candidates = candidates

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch's similarities that are sorted."""
        if self.candidates is not None:
            pairs = replace(pairs, keep=self._drawn(pairs))
        entries, kept = pairs.hardest(self.num_negatives)  # (B, n)
        logits = torch.cat(
            [pairs.negative.gather(1, entries).flip(1), pairs.positive[:, None]], dim=1
        )  # (B, n + 1), ascending but for the last
        is_sorted = torch.cat([kept.flip(1), torch.ones_like(kept[:, :1])], dim=1)
        similarities = (logits * pairs.temperature).masked_fill(~is_sorted, -1.0)
        with full_precision(logits.device):
            last = soft_permutation(similarities, self.steepness)[:, :, -1].clamp(0, 1)
            target = torch.zeros_like(last)
            target[:, -1] = 1
            terms = F.binary_cross_entropy(last, target, reduction="none")
        return (terms * is_sorted).sum() / is_sorted.sum()

    def _drawn(self, pairs: Pairs) -> Tensor:
        """(B, Q) bool: so many of each query's negatives, and of all of them alike."""
        order = torch.rand_like(pairs.negative)
        if pairs.keep is not None:
            order = order.masked_fill(~pairs.keep, -1.0)
        entries = order.topk(min(self.candidates, order.shape[1]), dim=1).indices
        drawn = torch.zeros_like(order, dtype=torch.bool).scatter_(1, entries, True)
        return drawn if pairs.keep is None else drawn & pairs.keep
