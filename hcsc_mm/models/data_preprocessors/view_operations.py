"""Colours and blur of a batch, each image with its own amount. Values are floats in [0, 1], RGB.

torchvision's kernels take one factor for all images, and kornia's hue takes as long as
torchvision's, five times the formula below; where torchvision has a kernel for a batch it is used.
What each operation computes is torchvision's (colours) and Pillow's (blur).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from .view_parameters import OPERATIONS, ViewParameters


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """(B, 3, H, W) times (B,), clamped."""
    return (images * _per_image(factor)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """(B, 3, H, W) away from its mean grey, or towards it, by (B,)."""
    mean = tv.rgb_to_grayscale(images).mean(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return (images * _per_image(factor)).add_(mean * (1 - _per_image(factor))).clamp_(0, 1)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """(B, 3, H, W) away from its grey image, or towards it, by (B,)."""
    grey = tv.rgb_to_grayscale(images)  # (B, 1, H, W)
    return (images * _per_image(factor)).add_(grey * (1 - _per_image(factor))).clamp_(0, 1)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of (B, 3, H, W) by (B,) turns of the colour circle, with HSV's saturation and
    value as they are.

    With the hue h in sixths of a turn, a channel is min + chroma · clamp(|((h + offset) mod 6) − 3|
    − 1, 0, 1), offset 0, 4, 2 for R, G, B: neither saturation nor value need be computed, and no
    choice among six sectors be made.
    """
    red, green, blue = images.unbind(dim=1)  # (B, H, W)
    highest = torch.maximum(torch.maximum(red, green), blue)
    lowest = torch.minimum(torch.minimum(red, green), blue)
    chroma = highest - lowest
    inverse = chroma.clamp(
        min=1e-12
    ).reciprocal_()  # of grey: any number, chroma 0 makes its hue meaningless
    # 0 where the channel is the highest, else 1. Not ==, bool and where, which PyTorch does not
    # vectorise on CPUs: 20 times as slow.
    not_red, not_green = (highest - red).sign_(), (highest - green).sign_()
    highest_green_or_blue = torch.lerp(
        (blue - red).mul_(inverse).add_(2), (red - green).mul_(inverse).add_(4), not_green
    )
    hue = torch.lerp((green - blue).mul_(inverse), highest_green_or_blue, not_red)
    hue += 6 * shift.view(-1, 1, 1)
    turned = torch.empty_like(images)
    for channel, offset in enumerate((0, 4, 2)):
        place = hue + offset
        place -= 6 * torch.floor(place / 6)
        torch.addcmul(
            lowest, place.sub_(3).abs_().sub_(1).clamp_(0, 1), chroma, out=turned[:, channel]
        )
    return turned.clamp_(0, 1)


def greyscale(images: Tensor) -> Tensor:
    """(B, 3, H, W) with three equal channels."""
    return tv.rgb_to_grayscale(
        images, num_output_channels=3
    ).contiguous()  # it gives one channel, three times the same memory


def gaussian_blur(images: Tensor, sigma: Tensor, max_sigma: float) -> Tensor:
    """Blur (B, 3, H, W) by (B,) σ in pixels as Pillow's ``ImageFilter.GaussianBlur`` does: three
    box blurs along each axis.

    A box of radius r, not necessarily whole, weighs the pixel at distance d with clamp(r + 1 − d,
    0, 1) / (2 r + 1); beyond the edge the image goes on with its last pixel.

    Args:
        images: On any device.
        sigma: (B,) on the same device, at most ``max_sigma``.
        max_sigma: Known on the host; it bounds the number of neighbours.
    """
    radius = _per_image(box_radius(sigma))
    reach = math.ceil(float(box_radius(torch.tensor(max_sigma))))
    inverse = 1 / (2 * radius + 1)
    weights = [
        inverse,
        *((radius + 1 - distance).clamp_(0, 1) * inverse for distance in range(1, reach + 1)),
    ]  # (B, 1, 1, 1) each
    for dim in (3, 3, 3, 2, 2, 2):
        images = _weigh_neighbours(images, weights, dim)
    return images


def box_radius(sigma: Tensor) -> Tensor:
    """Radius of the box whose three-fold blur has the variance σ² (Gwosdek et al., SSVM 2011;
    Pillow's ``BoxBlur.c``).
    """
    variance = sigma**2 / 3
    whole = torch.floor((torch.sqrt(12 * variance + 1) - 1) / 2)
    return whole + (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (
        6 * (variance - (whole + 1) ** 2)
    )


def _weigh_neighbours(images: Tensor, weights: list[Tensor], dim: int) -> Tensor:
    """Symmetric filter along one dimension of (B, 3, H, W); ``weights[d]`` (B, 1, 1, 1) is that of
    the pixels at distance d.
    """
    reach, length = len(weights) - 1, images.shape[dim]
    wider = F.pad(
        images, (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach), mode="replicate"
    )
    blurred = images * weights[0]
    for distance, weight in enumerate(weights[1:], start=1):
        both = wider.narrow(dim, reach - distance, length) + wider.narrow(
            dim, reach + distance, length
        )
        blurred.addcmul_(both, weight)
    return blurred


def solarize(images: Tensor) -> Tensor:
    """(B, 3, H, W) with everything from 128 of 255 on inverted."""
    return tv.solarize(images, threshold=128 / 255)


def apply_operations(images: Tensor, parameters: ViewParameters, max_sigma: float) -> Tensor:
    """Each image's own operations in its own order; images with the same operation in the same
    round go through it together.

    Which images those are is known on the host, so the device is never waited for, and the number
    of kernels does not grow with the batch.

    Args:
        images: (B, 3, H, W) float in [0, 1], RGB; may be overwritten.
        parameters: Random parameters of the B images, on the host.
        max_sigma: Upper bound of the blur.
    """
    run: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "brightness": adjust_brightness,
        "contrast": adjust_contrast,
        "saturation": adjust_saturation,
        "hue": adjust_hue,
        "greyscale": lambda chosen, _: greyscale(chosen),
        "blur": lambda chosen, sigma: gaussian_blur(chosen, sigma, max_sigma),
        "solarize": lambda chosen, _: solarize(chosen),
    }
    operations, sizes, rows = _group(parameters.rounds)
    amounts = upload(parameters.amounts, images.device)
    for operation, chosen in zip(operations, upload(rows, images.device).split(sizes), strict=True):
        if len(chosen) == len(images):
            images = run[OPERATIONS[operation]](images, amounts[:, operation])
        else:
            changed = run[OPERATIONS[operation]](
                images.index_select(0, chosen), amounts[chosen, operation]
            )
            images.index_copy_(0, chosen, changed)
    return images


def _group(rounds: Tensor) -> tuple[list[int], list[int], Tensor]:
    """(B, R) operation of each image in each round, on the host → the steps' operations and numbers
    of images, and the images in a row.
    """
    image, position = (rounds >= 0).nonzero(as_tuple=True)
    step, order = (rounds[image, position] + len(OPERATIONS) * position).sort(
        stable=True
    )  # by round, then by operation
    step, sizes = step.unique_consecutive(return_counts=True)
    return (step % len(OPERATIONS)).tolist(), sizes.tolist(), image[order]


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Host → device without waiting for it."""
    return (
        values.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else values.to(device)
    )


def _per_image(amount: Tensor) -> Tensor:
    return amount.view(-1, 1, 1, 1)
