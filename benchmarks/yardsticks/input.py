"""The input pipeline of the released code, from its recipe: torchvision on PIL images, two crops of
each photograph.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision import transforms


class GaussianBlur:
    """MoCo v2's blur: Pillow's, σ uniform over a range."""

    def __init__(self, sigma: tuple[float, float]) -> None:
        self.sigma = sigma

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(*self.sigma)))


def two_crops() -> Callable[[str], list[Tensor]]:
    """Path of a photograph → two normalised (3, 224, 224) views."""
    view = transforms.Compose(
        [
            transforms.RandomResizedCrop(224, scale=(0.2, 1.0)),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.RandomApply([GaussianBlur((0.1, 2.0))], p=0.5),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def load(path: str) -> list[Tensor]:
        with open(path, "rb") as file:
            image = Image.open(file).convert("RGB")
        return [view(image), view(image)]

    return load


def run(paths: list[str], batch_size: int) -> int:
    """All photographs in batches, as a loader would deliver them; the number of images."""
    load = two_crops()
    for start in range(0, len(paths), batch_size):
        queries, keys = zip(
            *(load(path) for path in paths[start : start + batch_size]), strict=True
        )
        torch.stack(queries), torch.stack(keys)
    return len(paths)
