"""Large batches through a network in parts that a processor's caches hold."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Pixels of a part: 64 images at 64 pixels, 28 at 96, 5 at 224. With the double of it or a half,
# EfficientNet-Lite0 is slower at 64, 96 and 128 pixels, in float32 and bfloat16.
_PIXELS = 2**18


def in_parts(network: Callable[[Tensor], tuple[Tensor, ...]], images: Tensor) -> tuple[Tensor, ...]:
    """What a network makes of a batch on a CPU, a part of it after the other.

    Layers that do little with each number, such as convolutions by channel and norms, wait for the
    memory where a whole batch's activations exceed the caches.

    Args:
        network: Sees each image by itself: no statistics of the batch, nothing random.
        images: (B, 3, H, W).

    Returns:
        The network's outputs for all B.
    """
    size = max(1, _PIXELS // (images.shape[-2] * images.shape[-1]))
    if len(images) <= size:
        return network(images)
    parts = [network(part) for part in images.split(size)]
    return tuple(torch.cat(outputs) for outputs in zip(*parts, strict=True))
