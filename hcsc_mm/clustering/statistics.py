"""What a hierarchy looks like, in a few numbers per level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmengine.dist import get_world_size
from torch import Tensor

from ..structures import PrototypeHierarchy
from ..utils.shard import exchange_rows, global_sum


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
        hierarchy: On any device. If each rank knows its own images' prototypes, all ranks call
            this together.
        previous: The last hierarchy over the same images, of any number of levels, or None.
    """
    images = torch.arange(hierarchy.own.start, hierarchy.own.stop)
    path = hierarchy.path(images)
    before = () if previous is None else previous.path(images)
    shared = not hierarchy.is_whole
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
                moved=moved_share(before[level].to(sizes.device), path[level], shared)
                if known
                else None,
            )
        )
    return levels


def moved_share(before: Tensor, after: Tensor, shared: bool = False) -> float:
    """Share of images that left the prototype which most of their former companions went to.

    Clustering numbers its clusters anew each time, so each old cluster is first matched with the
    new one that took most of its images.

    Args:
        before: (N,) int former cluster of each image.
        after: (N,) int new one.
        shared: Each rank gives its own images, (n,), and the share is that of all ranks' images.
    """
    pairs, count = torch.unique(
        torch.stack([before.long(), after.long()]), dim=1, return_counts=True
    )
    if shared:
        pairs, count = _of_own_clusters(pairs, count)
    # (pairs, count) of former clusters that no other rank has
    former = int(pairs[0].max()) + 1 if len(count) else 0
    stayed = torch.zeros(former, dtype=torch.long, device=before.device)
    stayed.scatter_reduce_(0, pairs[0], count, "amax")
    facts = torch.stack([stayed.sum(), count.sum()])
    stayers, images = (global_sum(facts) if shared else facts).tolist()
    return 1 - stayers / images


def _of_own_clusters(pairs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of former and new cluster with the images of all ranks, each pair on the rank that its
    former cluster belongs to.

    Args:
        pairs: (2, P) int64, different ones, of this rank's images.
        count: (P,) int64 images.
    """
    owner = pairs[0] % get_world_size()
    rows = torch.cat([pairs, count[None]])[:, owner.argsort(stable=True)].T  # (P, 3) by owner
    rows = exchange_rows(rows, torch.bincount(owner, minlength=get_world_size()))
    pairs, place = torch.unique(rows[:, :2].T, dim=1, return_inverse=True)
    return pairs, torch.zeros_like(pairs[0]).index_add_(0, place, rows[:, 2])
