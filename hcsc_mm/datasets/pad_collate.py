"""Images of different sizes in one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import HCSCError
from ..registry import FUNCTIONS


@FUNCTIONS.register_module()
def pad_collate(batch: Sequence[dict]) -> dict:
    """A ``collate_fn`` for whole images: one tensor goes to the device in one copy, where a list
    would take one per image.

    Args:
        batch: B samples with ``inputs`` (3, H_i, W_i) uint8 and ``data_samples``.

    Returns:
        ``inputs`` with ``images`` (B, 3, max H_i, max W_i) uint8, channels last in memory, each
        image in the upper left corner and what lies outside of it undefined; and ``sizes``, the B
        pairs (H_i, W_i). ``data_samples`` is a list.

    Raises:
        HCSCError: an input is something else.
    """
    images = [sample["inputs"] for sample in batch]
    for image in images:
        if (
            not isinstance(image, Tensor)
            or image.dtype != torch.uint8
            or image.ndim != 3
            or image.shape[0] != 3
        ):
            kind = (
                f"{image.dtype} {tuple(image.shape)}"
                if isinstance(image, Tensor)
                else type(image).__name__
            )
            raise HCSCError(
                f"pad_collate takes one uint8 (3, H, W) image of each sample, not {kind}; end the "
                "pipeline with WholeImage"
            )
    sizes = [tuple(image.shape[1:]) for image in images]
    height, width = (max(lengths) for lengths in zip(*sizes, strict=True))
    padded = torch.empty((len(images), height, width, 3), dtype=torch.uint8)
    for place, image, (image_height, image_width) in zip(padded, images, sizes, strict=True):
        place[:image_height, :image_width].copy_(image.permute(1, 2, 0))
    return {
        "inputs": {"images": padded.permute(0, 3, 1, 2), "sizes": sizes},
        "data_samples": [sample["data_samples"] for sample in batch],
    }
