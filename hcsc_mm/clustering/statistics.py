"""What a hierarchy looks like, in a few numbers per level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..structures import PrototypeHierarchy


@dataclass(frozen=True)
class LevelStatistics:
    """One level of a hierarchy; sizes are in images.

    Attributes:
        prototypes: How many prototypes the level has, K_l.
        empty: Prototypes without images.
        smallest: Size of the smallest non-empty cluster.
        median: Size of the median one.
        largest: Size of the largest one.
        moved: Share of images that changed prototype since the last hierarchy, after matching (see
            :func:`moved_share`); None without one.
    """

    prototypes: int
    empty: int
    smallest: int
    median: int
    largest: int
    moved: float | None

    def __str__(self) -> str:
        moved = "" if self.moved is None else f", {self.moved:.1%} moved"
        sizes = f"sizes {self.smallest}/{self.median}/{self.largest}"
        return f"{self.prototypes} prototypes, {self.empty} empty, {sizes} (min/median/max){moved}"

    def scalars(self) -> dict[str, float]:
        """For a visualizer; without what is unknown."""
        return {name: float(value) for name, value in vars(self).items() if value is not None}


def hierarchy_statistics(
    hierarchy: PrototypeHierarchy, previous: PrototypeHierarchy | None
) -> list[LevelStatistics]:
    """Statistics of every level.

    Args:
        hierarchy: On any device.
        previous: The last hierarchy over the same images, of any number of levels, or None.
    """
    everyone = torch.arange(hierarchy.num_samples)
    path = hierarchy.path(everyone)
    before = () if previous is None else previous.path(everyone)
    levels = []
    for level, sizes in enumerate(hierarchy.sizes()):
        filled = sizes[sizes > 0]
        known = level < len(before)
        levels.append(
            LevelStatistics(
                prototypes=len(sizes),
                empty=int((sizes == 0).sum()),
                smallest=int(filled.min()),
                median=int(filled.median()),
                largest=int(filled.max()),
                moved=moved_share(before[level].to(sizes.device), path[level]) if known else None,
            )
        )
    return levels


def moved_share(before: Tensor, after: Tensor) -> float:
    """Share of images that left the prototype which most of their former companions went to.

    Clustering numbers its clusters anew each time, so each old cluster is first matched with the
    new one that took most of its images.

    Args:
        before: (N,) int former cluster of each image.
        after: (N,) int new one.
    """
    pairs, count = torch.unique(
        torch.stack([before.long(), after.long()]), dim=1, return_counts=True
    )
    stayed = torch.zeros(int(before.max()) + 1, dtype=torch.long, device=before.device)
    stayed.scatter_reduce_(0, pairs[0], count, "amax")
    return 1 - int(stayed.sum()) / len(before)
