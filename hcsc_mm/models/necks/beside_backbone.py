"""A projection that keeps what it was made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmpretrain.models.necks import SwAVNeck
from torch import Tensor, nn

from ..utils.pooling import pool


class BesideBackbone(nn.Module):
    """A backbone's pooled features and their projection, one beside the other.

    Both are of unit length before, so that a cosine of two images is the mean of the two cosines.

    Args:
        neck: The projection: backbone's output → (B, D) of any length, or a tuple that ends with
            it, as mmpretrain's necks give it.
    """

    def __init__(self, neck: nn.Module) -> None:
        super().__init__()
        self.neck = neck

    def forward(self, features: Tensor | Sequence[Tensor]) -> Tensor:
        """The output of a backbone of C channels → (B, C + D) unit length."""
        several_crops = isinstance(self.neck, SwAVNeck)  # one after the other
        projected = self.neck([features] if several_crops else features)
        if isinstance(projected, (tuple, list)):
            projected = projected[-1]
        both = [F.normalize(pool(features), dim=1), F.normalize(projected, dim=1)]
        return torch.cat(both, dim=1) / 2**0.5
