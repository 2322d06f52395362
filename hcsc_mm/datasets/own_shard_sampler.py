"""Every image once an epoch, always by the same process."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size, sync_random_seed
from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS
from ..utils.shard import shard_slice

# Indices that are Python numbers at once: an epoch's would be nine times as large as the tensor.
_CHUNK = 2**16


@DATA_SAMPLERS.register_module()
class OwnShardSampler(Sampler):
    """Shuffle the images of this process's shard: a contiguous N-th of the data set for N
    processes.

    For data sets so large that no process should know every image's prototype (4 bytes an image,
    4 GB at 10⁹) or hold an order of all images: with this sampler the clustering hook leaves the
    prototypes of an image to the process that trains on it. A batch's images come from as many
    stretches of the data set as there are processes, so the list should have no order of its own,
    or be shuffled once. On one process it draws as mmengine's ``DefaultSampler`` does. A run that
    resumes within an epoch on another number of processes has other shards: in the rest of that
    epoch some images come a second time, others not at all.

    Args:
        dataset: A data set, or anything with a length. The image that a data set of mmengine's
            puts in the place of an unreadable one comes from the shard, too.
        shuffle: Draw another order in every epoch. On by default.
        seed: Of the orders, with the epoch; one for all processes by default.

    Attributes:
        shard: Numbers of this process's images.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.shard = shard_slice(len(dataset))
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self._length = -(-len(dataset) // get_world_size())
        if hasattr(dataset, "_rand_another"):
            dataset._rand_another = _AnyOf(self.shard)

    def __iter__(self) -> Iterator[int]:
        for chunk in self.order().split(_CHUNK):
            yield from chunk.tolist()

    def order(self) -> torch.Tensor:
        """(⌈N / W⌉,) int64 numbers of the epoch's images: a shard that is one image shorter than
        another's has its first one twice.
        """
        number = self.shard.stop - self.shard.start
        if self.shuffle:
            # shards of equal length need orders of their own
            seed = self.seed + self.epoch + 2**32 * get_rank()
            order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
        else:
            order = torch.arange(number)
        missing = self._length - number if number else 0
        return torch.cat([order, order[:missing]]) + self.shard.start

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Which order comes next."""
        self.epoch = epoch


class _AnyOf:
    """A random number of a shard; not a closure, since workers may have to be sent it."""

    def __init__(self, shard: slice) -> None:
        self._shard = shard

    def __call__(self) -> int:
        return np.random.randint(self._shard.start, self._shard.stop)
