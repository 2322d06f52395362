"""One vector per image from whatever a backbone returns."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def pool(features: Tensor | Sequence[Tensor]) -> Tensor:
    """Average the last output of a backbone over its positions.

    Args:
        features: A feature map (B, C, H, W), tokens (B, T, C) or a vector (B, C), or a tuple or
            list that ends with one.

    Returns:
        (B, C); anything with another number of dimensions is returned as it is, for the caller to
        refuse with advice of its own.
    """
    if isinstance(features, (tuple, list)):
        features = features[-1]
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    if features.ndim == 3:
        return features.mean(dim=1)
    return features
