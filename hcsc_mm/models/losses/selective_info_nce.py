"""InfoNCE with negatives that can be rejected: the one loss of instances and prototypes (HCSC, Eq.
8 and 10).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import HCSCError
from ...utils.precision import at_least_float32, full_precision

# exp of it, times the negatives of any queue, is far below what float32 holds
MOST_APART = 60.0


def selective_info_nce(
    positive: Tensor, negative: Tensor, keep: Tensor | None = None, *, rejected: str = "zero"
) -> Tensor:
    """Cross entropy of the positive against its kept negatives.

    Args:
        positive: (B,) logits, already divided by their temperature.
        negative: (B, M) logits, already divided by their temperature; −inf takes a negative out of
            the denominator, kept or not.
        keep: (B, M) bool, True = keep. None keeps all of them, which is plain InfoNCE.
        rejected: What a rejected negative leaves behind. 'zero': its logit becomes 0, so it stays
            in the denominator as exp(0) = 1 (released code). 'absent': nothing (the paper's set
            notation).

    Returns:
        () mean over the batch, float32 or wider. With no negatives at all it is exactly 0.
    """
    _check_rule(rejected)
    with full_precision(positive.device):
        positive, negative = at_least_float32(positive), at_least_float32(negative)
        # A product and a sum, where a masked fill takes five times as long on a CPU.
        if keep is not None and rejected == "zero":
            negative = negative * (keep | negative.isneginf()).to(negative)  # −inf × 0 would be NaN
        elif keep is not None:
            negative = negative + keep.to(negative).log()  # log 0 = −inf
        logits = torch.cat([positive[:, None], negative], dim=1)  # (B, 1 + M)
        first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        return F.cross_entropy(logits, first)


def info_nce_of_draws(
    positive: Tensor, negative: Tensor, keeps: Sequence[Tensor], *, rejected: str = "zero"
) -> Tensor:
    """:func:`selective_info_nce` of one batch's logits for each of several draws, whose
    exponentials are computed once.

    A query's loss is log(1 + Σ_kept exp(negative − positive)); with 'zero' each rejected negative
    adds exp(−positive) to the sum.

    Args:
        positive: (B,) logits, already divided by their temperature.
        negative: (B, M) logits, already divided by their temperature, finite, unlike there. They
            lie no further than ``MOST_APART`` from the positive, and the positive no further than
            that from 0: the caller sees to it, as exponentials would overflow.
        keeps: L masks (B, M), True = keep.
        rejected: As in :func:`selective_info_nce`.

    Returns:
        (L,) means over the batch, float32 or wider.
    """
    _check_rule(rejected)
    with full_precision(positive.device):
        positive, negative = at_least_float32(positive), at_least_float32(negative)
        apart = (negative - positive[:, None]).exp()  # (B, M)
        masks = torch.stack(list(keeps), dim=1).view(torch.uint8).to(apart)  # (B, L, M)
        others = (apart[:, None] @ masks.mT).squeeze(1)  # (B, L)
        if rejected == "zero":
            number = masks.shape[2] - masks.sum(dim=2)
            others = others + number * positive.neg().exp()[:, None]
        return others.log1p().mean(dim=0)


def _check_rule(rejected: str) -> None:
    if rejected not in ("zero", "absent"):
        raise HCSCError(f"rejected={rejected!r} is unknown; choose 'zero' or 'absent'")
