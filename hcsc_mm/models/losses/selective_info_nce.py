"""InfoNCE with negatives that can be rejected: the one loss of instances and prototypes (HCSC, Eq.
8 and 10).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import HCSCError
from ...utils.precision import at_least_float32, full_precision


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
    if rejected not in ("zero", "absent"):
        raise HCSCError(f"rejected={rejected!r} is unknown; choose 'zero' or 'absent'")
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
