"""What is random about a view: drawn on the host for a whole batch, so that the device never has to
be asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ...errors import HCSCError

# In the order in which a view goes through them; the four of the jitter in random order among
# themselves.
OPERATIONS = ("brightness", "contrast", "saturation", "hue", "greyscale", "blur", "solarize")
NUM_JITTER = 4
NO_OPERATION = -1
_ATTEMPTS = 10  # at a box that fits, as in torchvision


@dataclass(frozen=True)
class ViewRecipe:
    """How one view of each image is made; the defaults are MoCo v2's, which are HCSC's.

    Attributes:
        size: S, the view is (3, S, S) pixels.
        scale: Share of the image's area that the crop takes, uniform.
        ratio: Width / height of the crop, uniform in the logarithm.
        jitter: Brightness, contrast, saturation (factors 1 ± value) and hue (± value of the colour
            circle), in random order.
        jitter_prob, grey_prob, blur_prob, flip_prob, solarize_prob: Probabilities per image.
        blur_sigma: Standard deviation in pixels of the view, uniform.
    """

    size: int = 224
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_prob: float = 0.8
    grey_prob: float = 0.2
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_prob: float = 0.5
    flip_prob: float = 0.5
    solarize_prob: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "ratio", "blur_sigma"):
            low_high = getattr(self, name)
            if (
                not isinstance(low_high, Sequence)
                or len(low_high) != 2
                or not 0 < low_high[0] <= low_high[1]
            ):
                raise HCSCError(
                    f"a view's {name}={low_high} must be two numbers with 0 < low <= high"
                )
        if self.scale[1] > 1:
            raise HCSCError(
                f"a view's scale={self.scale} is a share of the image's area; it must not exceed 1"
            )
        if not isinstance(self.size, int):
            raise HCSCError(
                f"a view's size={self.size} must be one whole number of pixels; views are square"
            )
        if self.size < 1:
            raise HCSCError(f"a view's size={self.size} must be at least 1 pixel")
        if (
            not isinstance(self.jitter, Sequence)
            or len(self.jitter) != NUM_JITTER
            or min(self.jitter) < 0
            or self.jitter[3] > 0.5
        ):
            raise HCSCError(
                f"a view's jitter={self.jitter} must be brightness, contrast, saturation and hue, "
                "at least 0; hue at most 0.5"
            )
        for name in ("jitter_prob", "grey_prob", "blur_prob", "flip_prob", "solarize_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise HCSCError(f"a view's {name}={getattr(self, name)} must lie between 0 and 1")

    @classmethod
    def from_config(cls, view: dict | ViewRecipe) -> ViewRecipe:
        """A view of a config.

        Raises:
            HCSCError: it has a key that is none of the attributes.
        """
        if isinstance(view, ViewRecipe):
            return view
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(view) - set(known))
        if unknown:
            raise HCSCError(f"a view has no {unknown[0]!r}; its keys are {', '.join(known)}")
        return cls(**view)


@dataclass(frozen=True)
class ViewParameters:
    """The random parameters of one view of B images, on the host.

    Attributes:
        boxes: (B, 4) int, top, left, height, width of the crop in pixels of the image.
        flip: (B,) bool, mirror left and right.
        rounds: (B, R) int, the operation of each round as its index in ``OPERATIONS``, or -1 for
            none: first the jitter's, then the others.
        amounts: (B, 7) float, by operation: factor, factor, factor, shift of the hue in turns,
            unused, σ in pixels, unused.
    """

    boxes: Tensor
    flip: Tensor
    rounds: Tensor
    amounts: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: slice) -> ViewParameters:
        return ViewParameters(
            self.boxes[rows], self.flip[rows], self.rounds[rows], self.amounts[rows]
        )


def draw_parameters(
    recipe: ViewRecipe, sizes: Sequence[tuple[int, int]], generator: torch.Generator | None = None
) -> ViewParameters:
    """Draw a view's parameters for a batch.

    Args:
        recipe: What the view draws its parameters from.
        sizes: Height and width of each of the B images in pixels.
        generator: By default PyTorch's own, which :class:`EpochSeedHook` seeds by epoch and rank.
    """
    num_images = len(sizes)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    boxes = draw_boxes(sizes, recipe.scale, recipe.ratio, generator)
    flip = uniform(num_images) < recipe.flip_prob
    jitter = torch.tensor(recipe.jitter)
    order = uniform(num_images, NUM_JITTER).argsort(
        dim=1
    )  # (B, 4), each permutation equally likely
    idle = (uniform(num_images, 1) >= recipe.jitter_prob) | (jitter == 0)[order]
    probabilities = torch.tensor([recipe.grey_prob, recipe.blur_prob, recipe.solarize_prob])
    others = torch.arange(NUM_JITTER, len(OPERATIONS)).repeat(num_images, 1)  # (B, 3)
    rounds = torch.cat(
        [
            order.masked_fill(idle, NO_OPERATION),
            others.masked_fill(uniform(num_images, 3) >= probabilities, NO_OPERATION),
        ],
        dim=1,
    )
    low = torch.cat(
        [
            (1 - jitter[:3]).clamp_(min=0),
            -jitter[3:],
            torch.tensor([0.0, recipe.blur_sigma[0], 0.0]),
        ]
    )
    high = torch.cat([1 + jitter[:3], jitter[3:], torch.tensor([0.0, recipe.blur_sigma[1], 0.0])])
    amounts = low + (high - low) * uniform(num_images, len(OPERATIONS))
    return ViewParameters(boxes, flip, rounds, amounts)


def draw_boxes(
    sizes: Sequence[tuple[int, int]],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Crops as ``torchvision.transforms.RandomResizedCrop.get_params`` draws them, for all images
    at once.

    Args:
        sizes: Height and width of each of the B images in pixels.
        scale: Range of the share of the area, uniform.
        ratio: Range of width / height, uniform in the logarithm.
        generator: By default PyTorch's own.

    Returns:
        (B, 4) int: top, left, height, width.
    """
    image = torch.tensor(sizes, dtype=torch.float64)  # (B, 2)
    draws = torch.rand(len(sizes), 2, _ATTEMPTS, dtype=torch.float64, generator=generator)
    area = image.prod(dim=1, keepdim=True) * (
        scale[0] + (scale[1] - scale[0]) * draws[:, 0]
    )  # (B, 10)
    aspect = torch.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * draws[:, 1])
    candidates = torch.stack(
        [(area / aspect).sqrt(), (area * aspect).sqrt()], dim=2
    ).round_()  # (B, 10, 2) height, width
    fits = ((candidates > 0) & (candidates <= image[:, None])).all(dim=2)
    first = fits.int().argmax(dim=1)  # of equal values, argmax gives the first
    drawn = candidates[torch.arange(len(sizes)), first]  # (B, 2)
    found = fits.any(dim=1, keepdim=True)
    # No candidate fits: the largest centred box whose ratio is allowed.
    height, width = image.unbind(dim=1)
    largest = torch.stack(
        [
            torch.minimum(height, (width / ratio[0]).round()),
            torch.minimum(width, (height * ratio[1]).round()),
        ],
        dim=1,
    )
    box = torch.where(found, drawn, largest)
    room = image - box
    corner = (
        torch.rand(len(sizes), 2, dtype=torch.float64, generator=generator) * (room + 1)
    ).floor_()
    corner = torch.where(found, corner, (room / 2).floor())
    return torch.cat([corner, box], dim=1).long()
