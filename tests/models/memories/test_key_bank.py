"""Each image's latest key."""

import torch
from cases import unit_rows

from hcsc_mm.models.memories import KeyBank, NegativeQueue

CPU = torch.device("cpu")


def test_images_that_have_not_come_up_are_nan_and_the_others_hold_their_latest_key():
    bank, keys = KeyBank(6, 4, CPU), unit_rows(5, 4)
    bank.write([4, 0, 1], keys[:3])
    bank.write([0, 5], keys[3:])
    assert torch.equal(bank.features[[4, 1, 0, 5]], keys[[0, 2, 3, 4]])
    assert torch.isnan(bank.features[[2, 3]]).all()


def test_a_cleared_bank_is_empty_and_has_nothing_to_save():
    bank = KeyBank(3, 4, CPU)
    bank.write([1], unit_rows(1, 4))
    assert bank.gather() is not None
    bank.clear()
    assert torch.isnan(bank.features).all()
    assert bank.gather() is None


def test_a_bank_takes_up_what_another_one_gathered():
    bank, other = KeyBank(3, 4, CPU), KeyBank(3, 4, CPU)
    bank.write([2, 0], unit_rows(2, 4))
    other.restore(bank.gather())
    torch.testing.assert_close(other.features, bank.features, equal_nan=True)


def test_the_newest_keys_of_a_queue_are_those_enqueued_last_around_the_end_too():
    queue, keys = NegativeQueue(7, 4), unit_rows(9, 4)
    queue.enqueue(keys[:5])
    assert torch.equal(queue.newest(5), keys[:5])
    queue.enqueue(keys[5:])
    assert torch.equal(queue.newest(4), keys[5:])
    assert torch.equal(queue.newest(6), keys[3:])
