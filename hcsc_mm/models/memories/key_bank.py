"""Each image's latest key: features without a pass over the data set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather
from torch import Tensor

from ...utils.shard import all_gather_rows, global_sum, shard_slice


class KeyBank:
    """The last key embedding of every image of this rank's shard of the data set.

    Keys are made in any case; kept by image, they are what a memory bank was to instance
    discrimination (Wu et al., CVPR 2018). They come from augmented crops, in training mode, and
    from the encoder as it was during the epoch: good enough to cluster, and free.

    Args:
        num_samples: N over all ranks.
        dim: D, length of a key.
        device: Where the shard is kept, N / W · D floats.
    """

    def __init__(self, num_samples: int, dim: int, device: torch.device) -> None:
        self.shard = shard_slice(num_samples)
        # One row more than the shard has: where the keys of other ranks' images go, without asking
        # which they are.
        self._rows = torch.full(
            (self.shard.stop - self.shard.start + 1, dim), float("nan"), device=device
        )

    @property
    def features(self) -> Tensor:
        """(n, D) of this rank's shard, NaN where an image has not come up; writing to it writes to
        the bank.
        """
        return self._rows[:-1]

    @torch.no_grad()
    def write(self, sample_idx: Sequence[int], keys: Tensor) -> None:
        """Keep the keys of one training step.

        Args:
            sample_idx: (B,) int64 places in the data set of this rank's images.
            keys: (W · B, D) of all ranks' images in rank order, as the queue takes them.
        """
        index = torch.tensor(sample_idx).to(keys.device, non_blocking=True)
        index = torch.cat(all_gather(index))  # (W · B,)
        inside = (index >= self.shard.start) & (index < self.shard.stop)
        rows = torch.where(inside, index - self.shard.start, len(self._rows) - 1)
        self._rows.index_copy_(0, rows, keys.to(self._rows.dtype))

    def clear(self) -> None:
        """Forget all keys."""
        self._rows.fill_(float("nan"))

    def gather(self) -> Tensor | None:
        """(N, D) on the CPU, the same on all ranks, for a checkpoint; None if the bank is empty on
        every rank.
        """
        features = all_gather_rows(self.features)
        return features.cpu() if bool(torch.isfinite(features[:, 0]).any()) else None

    def own_rows(self) -> Tensor | None:
        """(n, D) of this rank's shard on the CPU, for a file of its own; None if the bank is empty
        on every rank. All ranks call it together.
        """
        known = torch.isfinite(self.features[:, 0]).any().long()
        return self.features.cpu() if int(global_sum(known)) else None

    def restore(self, features: Tensor) -> None:
        """Take up this rank's shard of what :meth:`gather` gave, with any number of ranks."""
        self.features.copy_(features[self.shard])
