"""Momentum contrast that knows which image each key is of, and the tree of the images' clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather
from mmpretrain.structures import DataSample
from torch import Tensor

from .knows_tree import KnowsTree
from .momentum_contrast import MomentumContrast


class NamedKeys(KnowsTree, MomentumContrast):
    """A base for methods that ask a key's image for its cluster.

    It has all that the clustering hook asks for; what becomes of the tree is the method's matter.

    Args:
        *args: Arguments of :class:`MomentumContrast`.
        **kwargs: Further arguments of it.

    Attributes:
        key_images: (Q,) int64 buffer, ``sample_idx`` of each key's image; −1 while the entry holds
            a random direction.
    """

    key_images: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unknown = torch.full((self.queue_length,), -1, dtype=torch.long)
        self.register_buffer("key_images", unknown)

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """One training step's losses; afterwards the new keys have their images' numbers."""
        losses = super().loss(inputs, data_samples, **kwargs)
        own = self.images_of(data_samples)
        images = torch.cat(all_gather(own))  # in rank order, as the keys
        fresh = images.repeat(2) if self.symmetric else images
        self.key_images.index_copy_(0, self.queue.newest_entries(len(fresh)), fresh)
        self.take_keys(self.queue.newest(len(images)), images)
        return losses

    def take_keys(self, keys: Tensor, images: Tensor) -> None:
        """(n, D) keys that a step has made last, one an image, of all ranks, and (n,) int64 numbers
        of the images: for methods that learn more of them. Nothing by default.
        """

    def groups_of_keys(self, groups: Tensor) -> Tensor:
        """(N,) int, a group of every training image → (Q,) of every key, −1 for random ones."""
        known = groups[self.key_images.clamp(min=0)]
        return torch.where(self.key_images < 0, -1, known)
