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
        prototypes: K_l.
        empty: Prototypes without images.
        smallest, median, largest: Size of the non-empty clusters.
        moved: Share of images that changed prototype since the last hierarchy, after matching (see
            :func:`moved_share`); None without one.
        keep_probability: Mean over queue keys and training images of the probability of keeping the
            key as the image's negative.
    """

    prototypes: int
    empty: int
    smallest: int
    median: int
    largest: int
    moved: float | None
    keep_probability: float

    def __str__(self) -> str:
        moved = "" if self.moved is None else f", {self.moved:.1%} moved"
        sizes = f"sizes {self.smallest}/{self.median}/{self.largest}"
        return (
            f"{self.prototypes} prototypes, {self.empty} empty, {sizes} "
            f"(min/median/max){moved}, "
            f"keep {self.keep_probability:.4f}"
        )

    def scalars(self) -> dict[str, float]:
        """For a visualizer; without what is unknown."""
        return {name: float(value) for name, value in vars(self).items() if value is not None}


def hierarchy_statistics(
    hierarchy: PrototypeHierarchy,
    previous: PrototypeHierarchy | None,
    keys: Tensor,
    log_partitions: tuple[Tensor, ...],
) -> list[LevelStatistics]:
    """Statistics of every level.

    Args:
        hierarchy: On the device of ``keys``.
        previous: The last hierarchy over the same images, or None.
        keys: (Q, D) queue keys.
        log_partitions: (Q,) per level, of these keys.
    """
    everyone = torch.arange(hierarchy.num_samples)
    path = hierarchy.path(everyone)
    before = None if previous is None else previous.path(everyone)
    levels = []
    for level, number in enumerate(hierarchy.num_prototypes):
        sizes = torch.bincount(path[level], minlength=number)
        filled = sizes[sizes > 0]
        levels.append(
            LevelStatistics(
                prototypes=number,
                empty=int((sizes == 0).sum()),
                smallest=int(filled.min()),
                median=int(filled.median()),
                largest=int(filled.max()),
                moved=None
                if before is None
                else moved_share(before[level].to(path[level].device), path[level]),
                keep_probability=_mean_keep_probability(
                    hierarchy, level, sizes, keys, log_partitions[level]
                ),
            )
        )
    return levels


def moved_share(before: Tensor, after: Tensor) -> float:
    """Share of images that left the prototype which most of their former companions went to.

    Clustering numbers its clusters anew each time, so each old cluster is first matched with the
    new one that took most of its images.

    Args:
        before, after: (N,) int cluster of each image.
    """
    pairs, count = torch.unique(
        torch.stack([before.long(), after.long()]), dim=1, return_counts=True
    )
    stayed = torch.zeros(int(before.max()) + 1, dtype=torch.long, device=before.device)
    stayed.scatter_reduce_(0, pairs[0], count, "amax")
    return 1 - int(stayed.sum()) / len(before)


def _mean_keep_probability(
    hierarchy: PrototypeHierarchy, level: int, sizes: Tensor, keys: Tensor, log_partition: Tensor
) -> float:
    """1 − mean over keys of Σ_a (share of images in a) · softmax(key)[a]: all pairs of key and
    image at the cost of (Q, K).
    """
    share = sizes / sizes.sum()  # (K,)
    scaled = hierarchy.prototypes[level] / hierarchy.concentrations[level][:, None]  # (K, D)
    total = 0.0
    for rows, known in zip(keys.split(4096), log_partition.split(4096), strict=True):
        total += float(((rows @ scaled.T - known[:, None]).exp() @ share).sum())
    return 1 - total / len(keys)
