"""Which rank has which rows."""

import pytest

from hcsc_mm.datasets import ShardSampler
from hcsc_mm.utils.shard import shard_slice, shard_start


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 101])
def test_shards_are_contiguous_complete_and_of_nearly_equal_length(num_rows, world_size):
    shards = [shard_slice(num_rows, rank, world_size) for rank in range(world_size)]
    assert [row for shard in shards for row in range(shard.start, shard.stop)] == list(
        range(num_rows)
    )
    lengths = [shard.stop - shard.start for shard in shards]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] <= 1
    assert [shard_start(num_rows, rank, world_size) for rank in range(world_size)] == [
        shard.start for shard in shards
    ]


def test_sampler_of_one_process_gives_every_row_once_in_order():
    sampler = ShardSampler(range(7), seed=5)
    assert list(sampler) == list(sampler) == list(range(7))
    assert len(sampler) == 7
