"""Which checkpoints go when a new one is whole."""

import pytest

from hcsc_mm.runtime.kept_checkpoints import outdated


@pytest.mark.parametrize(
    ("names", "max_at_ends", "gone"),
    [
        (["epoch_1.pth", "epoch_2.pth"], -1, []),
        (["epoch_1.pth", "epoch_2.pth", "epoch_3.pth"], 2, ["epoch_1.pth"]),
        (["epoch_1.pth", "iter_5.pth"], -1, []),
        (["epoch_1.pth", "iter_5.pth", "iter_7.pth"], 1, ["iter_5.pth"]),
        (["epoch_1.pth", "iter_7.pth", "epoch_2.pth"], 1, ["iter_7.pth", "epoch_1.pth"]),
        ([], 1, []),
    ],
)
def test_of_those_within_epochs_the_newest_alone_stays_and_of_the_others_the_last_ones(
    names, max_at_ends, gone
):
    assert outdated(names, max_at_ends) == gone


def test_in_a_loop_of_iterations_those_within_its_only_epoch_count_as_ends():
    names = ["iter_10.pth", "iter_20.pth", "iter_30.pth"]
    assert outdated(names, 2, in_epochs=False) == ["iter_10.pth"]
    assert outdated(names, -1, in_epochs=False) == []
