"""Crop, antialiased bilinear resize, flip: as Pillow and torchvision do it, image by image or for a
batch at once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def crop_and_resize(images: Tensor, boxes: Tensor, flip: Tensor, size: int) -> Tensor:
    """PyTorch's own antialiasing kernel, one image after the other: the fast way on a CPU, where it
    works on bytes.

    Args:
        images: (B, 3, H, W) uint8.
        boxes: (B, 4) int on the host: top, left, height, width.
        flip: (B,) bool on the host.
        size: Pixels S of the output along this side.

    Returns:
        (B, 3, S, S) uint8, rounded as Pillow rounds.
    """
    views = images.new_empty((len(images), images.shape[1], size, size))
    for view, image, (top, left, height, width), mirrored in zip(
        views, images, boxes.tolist(), flip.tolist(), strict=True
    ):
        crop = image[None, :, top : top + height, left : left + width]
        resized = F.interpolate(crop, (size, size), mode="bilinear", antialias=True)[0]
        view.copy_(resized.flip(-1) if mirrored else resized)
    return views


def crop_and_resize_batch(images: Tensor, boxes: Tensor, flip: Tensor, size: int) -> Tensor:
    """The same for all images at once, as two matrix products per image: the way for a GPU.

    Args:
        images: (B, 3, H, W), of the floating type to compute with, values in [0, 255]; fastest with
            its channels last in memory.
        boxes: (B, 4) float: top, left, height, width.
        flip: (B,) float, 1 for an image that is mirrored.
        size: Pixels S of the output along this side.

    Returns:
        (B, 3, S, S), like ``images``; not rounded.
    """
    num_images, channels, height, width = images.shape
    rows = resampling_matrix(boxes[:, 0], boxes[:, 2], torch.zeros_like(flip), height, size).to(
        images.dtype
    )  # (B, S, H)
    columns = resampling_matrix(boxes[:, 1], boxes[:, 3], flip, width, size).to(
        images.dtype
    )  # (B, S, W)
    lines = images.permute(0, 2, 3, 1).reshape(num_images, height, width * channels)
    # (B, 3, S, W)
    shortened = torch.bmm(rows, lines).view(num_images, size, width, channels).permute(0, 3, 1, 2)
    views = torch.bmm(
        shortened.reshape(num_images, channels * size, width), columns.mT
    )  # (B, 3 S, S)
    return views.view(num_images, channels, size, size)


def resampling_matrix(
    start: Tensor, extent: Tensor, flip: Tensor, length: int, size: int
) -> Tensor:
    """Weights that cut ``[start, start + extent)`` out of a line of pixels and resize it, with a
    triangle filter.

    The triangle is as wide as an output pixel where the crop shrinks, and as an input pixel where
    it grows; at the ends of the crop it is cut off and scaled to sum 1 (Pillow, ``Resample.c``).

    Args:
        start, extent: (B,) in pixels of the input.
        flip: (B,) 1 to mirror the output, else 0.
        length: L, pixels of the input line.
        size: S, pixels of the output line.

    Returns:
        (B, S, L), rows sum to 1.
    """
    start, extent, flip = (value.view(-1, 1, 1) for value in (start, extent, flip))
    output = torch.arange(size, device=start.device, dtype=start.dtype).view(1, -1, 1)
    output = output + flip * (size - 1 - 2 * output)  # (B, S, 1)
    step = extent / size  # input pixels per output pixel
    centre = start + (output + 0.5) * step
    pixel = torch.arange(length, device=start.device, dtype=start.dtype) + 0.5  # (L,)
    weights = (1 - (pixel - centre).abs() / step.clamp(min=1)).clamp_(min=0)  # (B, S, L)
    weights = weights * ((pixel > start) & (pixel < start + extent))
    return weights / weights.sum(dim=2, keepdim=True)
