"""The clusters on their way into a checkpoint and back, whole or a shard per rank."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from ..models.memories import KeyBank
from ..structures import ClustersImages, PrototypeHierarchy
from ..structures.checkpoint_entry import CHECKPOINT_KEY, with_images
from ..utils.checkpoint_shards import SHARDS_KEY, read_rows
from ..utils.shard import all_gather_rows

MANY_IMAGES = (
    "every process holds the prototypes of all {:,} images, {:.1f} GB; "
    "train_dataloader.sampler=dict(type='hcsc_mm.OwnShardSampler') leaves each its own"
)


class Saveable(NamedTuple):
    """Clusters in the form that a checkpoint takes.

    Attributes:
        in_checkpoint: With all images, or with none where each rank has a file of its own.
        rows: (n,) int tensors of this rank's images, for that file; None where there is none.
    """

    in_checkpoint: PrototypeHierarchy
    rows: list[Tensor] | None


def saveable(hierarchy: PrototypeHierarchy, in_files: bool) -> Saveable:
    """Make clusters ready for a checkpoint; all ranks together.

    Args:
        hierarchy: Of all images, or of this rank's shard.
        in_files: Each rank has a file of its own beside the checkpoint.
    """
    if hierarchy.is_whole:
        return Saveable(hierarchy, None)
    own = hierarchy.assignments
    if in_files:
        return Saveable(hierarchy.holding([rows[:0] for rows in own], 0), [r.cpu() for r in own])
    whole = hierarchy.holding([all_gather_rows(rows) for rows in own], 0)
    return Saveable(whole.to("cpu"), None)


@dataclass(frozen=True)
class SavedClusters:
    """A checkpoint's entry, and the files beside the checkpoint that may belong to it.

    Attributes:
        entry: As :func:`clustering_entry` made it.
        shards: The checkpoint's entry of the files; None without.
        path: Where the checkpoint lies.
    """

    entry: Mapping[str, Any]
    shards: Mapping[str, Any] | None
    path: str | os.PathLike

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], path: str | os.PathLike) -> SavedClusters | None:
        """None for a checkpoint of a run that clustered nothing."""
        entry = checkpoint.get(CHECKPOINT_KEY)
        return None if entry is None else cls(entry, checkpoint.get(SHARDS_KEY), path)

    def clusters(self, model: ClustersImages, images: slice) -> PrototypeHierarchy:
        """What the run trained with, knowing the prototypes of these images."""
        hierarchy = model.load_hierarchy(self.entry["hierarchy"])
        return with_images(hierarchy, images, self.shards, self.path)

    def restore_bank(self, bank: KeyBank, num_images: int) -> None:
        """Fill this rank's bank with the keys that the checkpoint has, if it has any."""
        if self.entry.get("bank") is not None:
            bank.restore(self.entry["bank"])
        elif self.shards is not None:
            for rows in read_rows(self.path, self.shards, bank.shard, num_images, _bank_of):
                bank.features.copy_(rows)


def _bank_of(content: Mapping[str, Any]) -> list[Tensor]:
    rows = content[CHECKPOINT_KEY]["bank"]
    return [] if rows is None else [rows]
