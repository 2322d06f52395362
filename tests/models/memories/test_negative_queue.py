"""First in, first out."""

import pytest
import torch
from cases import unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.models import NegativeQueue


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


def test_enqueue_says_where_the_keys_went():
    queue = NegativeQueue(5, 6)
    queue.enqueue(unit_rows(3, 6, seed=1))
    keys = unit_rows(4, 6, seed=2)
    slots = queue.enqueue(keys)
    assert slots.tolist() == [3, 4, 0, 1]
    assert torch.equal(queue.keys[slots], keys)


def test_the_state_dict_holds_keys_and_pointer_only():
    queue = NegativeQueue(10, 6)
    assert set(queue.state_dict()) == {"keys", "pointer"}
    assert list(queue.parameters()) == []
