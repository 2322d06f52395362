"""First in, first out, with denominators that are always those of the keys."""

import pytest
import torch
from cases import random_hierarchy, unit_rows
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import HCSCHead, NegativeQueue
from hcsc_mm.structures import log_partition


def assert_partitions_are_of_the_keys(queue, hierarchy):
    assert len(queue.log_partition) == hierarchy.num_levels
    for level, known in enumerate(queue.log_partition):
        torch.testing.assert_close(
            known,
            log_partition(queue.keys, hierarchy.prototypes[level], hierarchy.concentrations[level]),
        )


def test_starts_with_different_directions_of_unit_length():
    queue = NegativeQueue(16, 6)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(16))
    assert queue.keys.unique(dim=0).shape == (16, 6)
    assert queue.length == 16


@pytest.mark.parametrize("batch", [1, 3, 4, 7, 10])
def test_keys_are_those_of_a_ring_of_the_last_batches(batch):
    queue = NegativeQueue(10, 6)
    ring, pointer = queue.keys.clone(), 0
    for step in range(9):
        keys = unit_rows(batch, 6, seed=step)
        queue.enqueue(keys)
        for key in keys:
            ring[pointer] = key
            pointer = (pointer + 1) % 10
    assert torch.equal(queue.keys, ring)
    assert int(queue.pointer) == pointer


def test_a_batch_past_the_end_goes_on_at_the_start():
    queue = NegativeQueue(5, 6)
    first, second = unit_rows(3, 6, seed=1), unit_rows(4, 6, seed=2)
    queue.enqueue(first)
    queue.enqueue(second)
    assert torch.equal(
        queue.keys, torch.stack([second[2], second[3], first[2], second[0], second[1]])
    )
    assert int(queue.pointer) == 2


def test_an_empty_batch_changes_nothing():
    queue = NegativeQueue(5, 6)
    before = queue.keys.clone()
    queue.enqueue(torch.zeros(0, 6))
    assert torch.equal(queue.keys, before)
    assert int(queue.pointer) == 0


def test_a_batch_larger_than_the_queue_is_refused_with_both_numbers():
    queue = NegativeQueue(5, 6)
    before = queue.keys.clone()
    with pytest.raises(
        HCSCError, match="total batch 6 exceeds the queue length 5; set queue_len to at least 6"
    ):
        queue.enqueue(unit_rows(6, 6))
    assert torch.equal(queue.keys, before)


@pytest.mark.parametrize(("length", "dim"), [(0, 6), (5, 0), (-1, 6)])
def test_a_queue_without_room_is_refused(length, dim):
    with pytest.raises(HCSCError, match=f"length={length}, dim={dim}"):
        NegativeQueue(length, dim)


def test_keys_take_no_part_in_the_gradient_and_half_keys_are_stored_in_float32():
    queue = NegativeQueue(5, 6)
    queue.enqueue(unit_rows(3, 6).half().requires_grad_())
    assert queue.keys.dtype == torch.float32
    assert not queue.keys.requires_grad


@pytest.mark.parametrize("batch", [1, 4, 10])
def test_denominators_stay_exact_over_many_batches(batch):
    hierarchy, queue = random_hierarchy(), NegativeQueue(10, 6)
    queue.set_hierarchy(hierarchy)
    for step in range(25):
        queue.enqueue(unit_rows(batch, 6, seed=step))
        assert_partitions_are_of_the_keys(queue, hierarchy)


def test_denominators_follow_a_new_hierarchy_of_other_numbers_and_go_with_none():
    queue = NegativeQueue(10, 6)
    assert queue.log_partition == ()
    for hierarchy in (random_hierarchy(), random_hierarchy(num_prototypes=(5, 2), seed=4)):
        queue.set_hierarchy(hierarchy)
        assert_partitions_are_of_the_keys(queue, hierarchy)
    queue.set_hierarchy(None)
    assert queue.log_partition == ()
    queue.enqueue(unit_rows(3, 6))
    assert queue.log_partition == ()


@pytest.mark.parametrize(
    "load", [nn.Module.load_state_dict, load_state_dict], ids=["torch", "mmengine"]
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside_a_model"])
def test_denominators_follow_keys_that_are_loaded(load, inside):
    hierarchy, queue, other = random_hierarchy(), NegativeQueue(10, 6), NegativeQueue(10, 6)
    queue.set_hierarchy(hierarchy)
    other.enqueue(unit_rows(3, 6))
    model, source = (nn.Sequential(queue), nn.Sequential(other)) if inside else (queue, other)
    load(model, source.state_dict())
    assert torch.equal(queue.keys, other.keys)
    assert int(queue.pointer) == 3
    assert_partitions_are_of_the_keys(queue, hierarchy)


def test_the_state_dict_holds_keys_and_pointer_only():
    queue = NegativeQueue(10, 6)
    queue.set_hierarchy(random_hierarchy())
    assert set(queue.state_dict()) == {"keys", "pointer"}
    assert list(queue.parameters()) == []


def test_head_does_not_use_what_the_queue_knows_of_another_hierarchy():
    first, second = random_hierarchy(seed=1, dim=8), random_hierarchy(seed=2, dim=8)
    queue = NegativeQueue(16, 8)
    queue.set_hierarchy(first)
    head, path = HCSCHead(), second.path([0, 1])

    def draw(candidates):
        torch.manual_seed(3)
        return head.draw(1, queue.keys, candidates, second, path)[0].instances

    for ours, plain in zip(draw(queue), draw(queue.keys), strict=True):
        assert torch.equal(ours, plain)
