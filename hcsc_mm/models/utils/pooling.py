"""One vector per image from whatever a backbone returns."""

from __future__ import annotations

from torch import Tensor


def pool(features: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Average the last output of a backbone over its positions.

    Args:
        features: A feature map (B, C, H, W), tokens (B, T, C) or a vector (B, C), or a tuple that ends with one.

    Returns:
        (B, C).
    """
    if isinstance(features, (tuple, list)):
        features = features[-1]
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    return features.mean(dim=1) if features.ndim == 3 else features
