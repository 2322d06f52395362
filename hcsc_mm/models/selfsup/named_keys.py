"""Momentum contrast that knows which image each key is of, and the tree of the images' clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather
from mmpretrain.structures import DataSample
from torch import Tensor

from ...clustering import hierarchical_kmeans
from ...structures import PrototypeHierarchy
from .momentum_contrast import MomentumContrast


class NamedKeys(MomentumContrast):
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
        self._hierarchy: PrototypeHierarchy | None = None

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """One training step's losses; afterwards the new keys have their images' numbers."""
        losses = super().loss(inputs, data_samples, **kwargs)
        own = self.images_of(data_samples)
        fresh = torch.cat(all_gather(own))  # in rank order, as the keys
        if self.symmetric:
            fresh = fresh.repeat(2)
        self.key_images.index_copy_(0, self.queue.newest_entries(len(fresh)), fresh)
        return losses

    def images_of(self, data_samples: Sequence[DataSample]) -> Tensor:
        """(B,) int64 of this rank's images, on the queue's device."""
        index = torch.tensor([sample.sample_idx for sample in data_samples])
        return index.to(self.key_images.device, non_blocking=True)

    def groups_of_keys(self, groups: Tensor) -> Tensor:
        """(N,) int, a group of every training image → (Q,) of every key, −1 for random ones."""
        known = groups[self.key_images.clamp(min=0)]
        return torch.where(self.key_images < 0, -1, known)

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """The tree of the training images; None before the first clustering."""
        return self._hierarchy

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Take another tree from now on; None: none."""
        device = self.key_images.device
        self._hierarchy = None if hierarchy is None else hierarchy.to(device)

    def build_hierarchy(
        self, features: Tensor, num_prototypes: Sequence[int], **options: Any
    ) -> PrototypeHierarchy:
        """Cluster (n, D) features of this rank's shard; options of :func:`hierarchical_kmeans`."""
        return hierarchical_kmeans(features, num_prototypes, **options)

    def load_hierarchy(self, state: Mapping[str, Any]) -> PrototypeHierarchy:
        """A tree from a checkpoint's entry."""
        return PrototypeHierarchy.from_state_dict(state)

    @property
    def concentration_temperature(self) -> float:
        """Mean of every level's concentrations: the head's temperature."""
        return self.head.temperature

    def keep_shares(self) -> dict[str, float]:
        """Nothing: no negative is drawn."""
        return {}
