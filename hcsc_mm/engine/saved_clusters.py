"""The clusters on their way into a checkpoint and back, whole or a shard per rank."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
from torch import Tensor

from ..structures import ClustersImages, PrototypeHierarchy
from ..structures.checkpoint_entry import (
    CHECKPOINT_KEY,
    clustering_entry,
    final_entry,
    with_images,
)
from ..utils.checkpoint_shards import SHARDS_KEY, read_rows
from ..utils.shard import all_gather_rows
from .training_features import TrainingFeatures

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


class ClustersToSave:
    """What a checkpoint is to hold of a run's clusters, noted as they come about.

    Args:
        source: The features that are clustered: it knows the images, their shards and their bank.
        files_above: Images above which each rank of a run whose ranks train on shards has a file of
            its own beside the checkpoint.

    Attributes:
        epoch: The last epoch that clusters were built for; -1 before the first.
        weights: Digest of the weights that they were built from; None before the first.
    """

    def __init__(self, source: TrainingFeatures, files_above: int) -> None:
        self._source = source
        self._files_above = files_above
        many = source.identity["num_samples"] > files_above
        self._in_files = many and source.sharded
        self.epoch = -1
        self.weights: dict[str, str] | None = None
        self._trained_with: Saveable | None = None  # where the model's clusters are a shard's
        self._final: dict[str, Any] | None = None  # clusters of the final weights
        self._final_rows: list[Tensor] | None = None  # this rank's of them, for a file of its own
        self._bank: Tensor | None = None  # for the checkpoint that is being written

    def warn(self, logger: MMLogger) -> None:
        """Say so where every rank holds very many images' prototypes and need not."""
        number = self._source.identity["num_samples"]
        plain = get_world_size() > 1 and not self._source.sharded
        if plain and number > self._files_above:
            logger.warning(MANY_IMAGES.format(number, 4 * number / 1e9))

    def trains_with(self, hierarchy: PrototypeHierarchy) -> None:
        """Note what the model trains with from now on; all ranks together."""
        whole = hierarchy.is_whole
        self._trained_with = None if whole else saveable(hierarchy, self._in_files)

    def ends_with(self, hierarchy: PrototypeHierarchy, weights: dict[str, str]) -> None:
        """Note the clusters of the final weights, and the weights' digest; all ranks together."""
        in_checkpoint, self._final_rows = saveable(hierarchy, self._in_files)
        self._final = final_entry(in_checkpoint, weights)

    def gather_bank(self) -> None:
        """Collect the latest keys of all ranks, unless each has a file of its own."""
        bank = self._source.bank
        self._bank = None if bank is None or self._in_files else bank.gather()

    def of_this_rank(self) -> dict[str, Any]:
        """The prototypes of this rank's images and its part of the bank, for a file of its own;
        empty without such files.
        """
        if not self._in_files:
            return {}
        bank = self._source.bank
        own = {
            "hierarchy": None if self._trained_with is None else self._trained_with.rows,
            "final": None if self._final is None else self._final_rows,
            "bank": None if bank is None else bank.own_rows(),
        }
        return {CHECKPOINT_KEY: own}

    def entry(self, hierarchy: PrototypeHierarchy | None) -> dict[str, Any]:
        """The checkpoint's entry.

        Args:
            hierarchy: What the model trains with; None during warm-up.
        """
        if hierarchy is not None and not hierarchy.is_whole:
            hierarchy = self._trained_with.in_checkpoint
        return clustering_entry(
            hierarchy,
            self._source.identity,
            epoch=self.epoch,
            bank=self._bank,  # empty at the end of an epoch
            weights=self.weights,
            final=self._final,
        )


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

    def clusters(
        self, model: ClustersImages, source: TrainingFeatures
    ) -> PrototypeHierarchy | None:
        """What the run trained with, knowing the prototypes of this rank's images where it trains
        on a shard; None before the first clustering.
        """
        state = self.entry["hierarchy"]
        if state is None:
            return None
        images = source.shard if source.sharded else slice(0, len(source.images))
        return with_images(model.load_hierarchy(state), images, self.shards, self.path)

    def restore_bank(self, source: TrainingFeatures) -> None:
        """Fill this rank's bank, where there is one, with the keys that the checkpoint has."""
        bank = source.bank
        if bank is None:
            return
        if self.entry.get("bank") is not None:
            bank.restore(self.entry["bank"])
        elif self.shards is not None:
            for rows in read_rows(self.path, self.shards, bank.shard, len(source.images), _bank_of):
                bank.features.copy_(rows)


def _bank_of(content: Mapping[str, Any]) -> list[Tensor]:
    rows = content[CHECKPOINT_KEY]["bank"]
    return [] if rows is None else [rows]
