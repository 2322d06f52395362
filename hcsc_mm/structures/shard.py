"""Which training images a process knows the prototypes of, where it does not know all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import HCSCError


@dataclass(frozen=True, eq=False)
class Shard:
    """The place of one process's images among all.

    Attributes:
        start: Number of its first image among all, from 0.
        total: N, images of all processes.
        counts: (K_0,) int64, images of each prototype of level 0 over all processes; known to each
            of them, since a step asks for it and must not wait for the others.
    """

    start: int
    total: int
    counts: Tensor

    def check(self, num_own: int, num_prototypes: int) -> None:
        """Refuse a place that ``num_own`` images do not fit into.

        Raises:
            HCSCError: they do not, or the counts are not of ``num_prototypes`` prototypes.
        """
        if not 0 <= self.start <= self.start + num_own <= self.total:
            raise HCSCError(
                f"a shard of {num_own} images from {self.start} on does not lie within "
                f"{self.total} images"
            )
        if self.counts.shape != (num_prototypes,):
            raise HCSCError(
                f"shard.counts must have shape ({num_prototypes},), got {tuple(self.counts.shape)}"
            )

    def rows(self, sample_idx: Tensor, num_own: int) -> Tensor:
        """Numbers among all images as rows of this process's assignment.

        Args:
            sample_idx: (B,) int64, on any device.
            num_own: Images that the process has.

        Raises:
            HCSCError: an image of another process. On a GPU, where a look would have to wait, the
                row is one that does not exist, and the device's own check meets it.
        """
        rows = sample_idx - self.start
        foreign = (rows < 0) | (rows >= num_own)
        if rows.device.type == "cpu" and bool(foreign.any()):
            raise HCSCError(
                f"image {int(sample_idx[foreign][0])} is not among the {num_own} of {self.total} "
                f"images from {self.start} on whose prototypes this process has; with "
                "train_dataloader.sampler=dict(type='hcsc_mm.OwnShardSampler') each trains on its "
                "own"
            )
        return torch.where(foreign, num_own, rows)

    def to(self, device: torch.device | str) -> Shard:
        return Shard(self.start, self.total, self.counts.to(device))

    def state_dict(self) -> dict[str, int | Tensor]:
        return {"start": self.start, "total": self.total, "counts": self.counts}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any] | None) -> Shard | None:
        """None for a hierarchy of all images, whose state has no shard."""
        return None if state is None else cls(state["start"], state["total"], state["counts"])
