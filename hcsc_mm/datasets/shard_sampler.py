"""Every sample once, a contiguous block per rank."""

from collections.abc import Iterator, Sized

from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS
from ..utils.shard import shard_slice


@DATA_SAMPLERS.register_module()
class ShardSampler(Sampler):
    """The rows of this rank's shard in order; no padding, so no sample counts twice.

    Args:
        dataset: Anything with a length.
        seed: Accepted because mmengine gives it to every sampler; the order is fixed.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        self.shard = shard_slice(len(dataset))

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.shard.start, self.shard.stop))

    def __len__(self) -> int:
        return self.shard.stop - self.shard.start
