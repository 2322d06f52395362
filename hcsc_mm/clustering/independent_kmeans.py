"""Several clusterings of the same features, finer and coarser, that know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import HCSCError
from ..structures import PrototypeHierarchy
from .hierarchical_kmeans import hierarchical_kmeans


@dataclass(frozen=True, eq=False)
class IndependentClusterings:
    """One flat clustering per granularity (PCL, Section 3.2), with a hierarchy's face.

    Attributes:
        levels: Hierarchies of a single level over the same N images.

    Raises:
        HCSCError: on construction, without levels or over different numbers of images.
    """

    levels: tuple[PrototypeHierarchy, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        if not self.levels or len({level.num_samples for level in self.levels}) > 1:
            raise HCSCError(
                "independent clusterings need at least one level, all of the same images"
            )

    @property
    def num_levels(self) -> int:
        return len(self.levels)

    @property
    def num_samples(self) -> int:
        """N, the number of training images."""
        return self.levels[0].num_samples

    @property
    def own(self) -> slice:
        """Numbers of the images whose prototypes are known here."""
        return self.levels[0].own

    @property
    def is_whole(self) -> bool:
        """Whether the prototypes of all training images are known here."""
        return self.levels[0].is_whole

    @property
    def assignments(self) -> tuple[Tensor, ...]:
        """(n,) int per level, prototypes of the images known here."""
        return tuple(level.assignment for level in self.levels)

    def holding(self, assignments: Sequence[Tensor], start: int) -> IndependentClusterings:
        """The same with other images' prototypes, see :meth:`PrototypeHierarchy.holding`."""
        pairs = zip(self.levels, assignments, strict=True)
        return replace(self, levels=tuple(level.holding((own,), start) for level, own in pairs))

    @property
    def num_prototypes(self) -> tuple[int, ...]:
        """K per level."""
        return tuple(level.num_prototypes[0] for level in self.levels)

    @property
    def prototypes(self) -> tuple[Tensor, ...]:
        """(K, D) per level, unit length."""
        return tuple(level.prototypes[0] for level in self.levels)

    @property
    def concentrations(self) -> tuple[Tensor, ...]:
        """(K,) per level."""
        return tuple(level.concentrations[0] for level in self.levels)

    def path(self, sample_idx: Tensor | Sequence[int]) -> tuple[Tensor, ...]:
        """(B,) int64 per level: prototype of each training image in every clustering."""
        return tuple(level.path(sample_idx)[0] for level in self.levels)

    def sizes(self) -> tuple[Tensor, ...]:
        """(K,) int64 per level: training images of each prototype."""
        return tuple(level.sizes()[0] for level in self.levels)

    def spread(self, known: Tensor, *place: int) -> IndependentClusterings:
        """The same prototypes over more images, see :meth:`PrototypeHierarchy.spread`."""
        return replace(self, levels=tuple(level.spread(known, *place) for level in self.levels))

    def to(self, device: torch.device | str) -> IndependentClusterings:
        """The same on another device."""
        return replace(self, levels=tuple(level.to(device) for level in self.levels))

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Tensors and lists only."""
        return {"levels": [level.state_dict() for level in self.levels]}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> IndependentClusterings:
        """What :meth:`state_dict` gave.

        Raises:
            HCSCError: the state is of something else, such as a tree.
        """
        if "levels" not in state:
            raise HCSCError(
                "the checkpoint's clusters are a tree, and this model clusters each level by "
                "itself; start anew with load_from instead of resume"
            )
        return cls(tuple(PrototypeHierarchy.from_state_dict(level) for level in state["levels"]))


def independent_kmeans(
    features: Tensor,
    num_prototypes: Sequence[int],
    *,
    warm_start: IndependentClusterings | None = None,
    **options: Any,
) -> IndependentClusterings:
    """Cluster the features once for each number of prototypes.

    Args:
        features: (n, D) float, unit length; with several ranks each gives its own shard.
        num_prototypes: K per level, in any order.
        warm_start: The last clusterings; their prototypes are the first centroids.
        **options: How each clustering runs, as in :func:`hierarchical_kmeans`.

    Returns:
        The same clusterings on all ranks, on the features' device.
    """
    before = [None] * len(num_prototypes) if warm_start is None else warm_start.levels
    return IndependentClusterings(
        tuple(
            hierarchical_kmeans(features, (number,), warm_start=start, **options)
            for number, start in zip(num_prototypes, before, strict=True)
        )
    )
