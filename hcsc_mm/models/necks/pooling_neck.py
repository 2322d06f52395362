"""One vector per image for a classifier."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ...registry import MODELS
from ..utils.pooling import pool


@MODELS.register_module()
class PoolingNeck(nn.Module):
    """``mmpretrain.GlobalAveragePooling`` that also takes tokens and vectors, which networks of
    timm give.
    """

    def forward(self, features: Tensor | Sequence[Tensor]) -> tuple[Tensor]:
        """Feature maps (B, C, H, W), tokens (B, T, C) or vectors (B, C), perhaps the last of
        several → a tuple with (B, C), which heads take.
        """
        return (pool(features),)
