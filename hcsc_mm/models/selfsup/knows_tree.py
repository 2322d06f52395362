"""A model that is given a tree of its training images, and does with it what is its own matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...clustering import hierarchical_kmeans
from ...structures import PrototypeHierarchy


class KnowsTree(nn.Module):
    """What the clustering hook gives and asks for about the tree, for any model: a mix-in.

    Its head has a ``temperature``, or the class another ``concentration_temperature``.
    """

    _hierarchy: PrototypeHierarchy | None = None

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """The tree of the training images; None before the first clustering."""
        return self._hierarchy

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Take another tree from now on; None: none."""
        self._hierarchy = None if hierarchy is None else hierarchy.to(self._device)

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

    def images_of(self, data_samples: Sequence[DataSample]) -> Tensor:
        """(B,) int64 of this rank's images, on the model's device."""
        index = torch.tensor([sample.sample_idx for sample in data_samples])
        return index.to(self._device, non_blocking=True)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
