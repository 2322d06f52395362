"""Fifty training steps of two ranks beside a slow re-implementation of the released arithmetic, in
float64: shuffled batch norm, keys of both ranks, gradients averaged.
"""

import distributed_workers as workers
import pytest
import step_workers
import torch
from slow_training import Batch, SlowTraining
from small_double import largest, levels_of, rate

RUNS = ["train_on_single_crops", "train_on_multi_crops", "train_on_multi_crops_not_selected"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    tasks = [getattr(step_workers, name) for name in RUNS]
    return workers.run_on_ranks(tasks, 2, tmp_path_factory.mktemp("ranks"))


def shares_of_key_encoders(steps):
    """Per rank, which of both ranks' key images (in rank order) its key encoder was given."""
    images = torch.cat([step["views"][1] for step in steps])
    shares = [
        [int((images == image).all(dim=1).nonzero()) for image in step["key_images"]]
        for step in steps
    ]
    assert sorted(number for share in shares for number in share) == list(range(len(images)))
    return shares


@pytest.mark.parametrize("run", RUNS)
def test_fifty_steps_of_two_ranks_are_those_of_the_released_arithmetic(ranks, run):
    """A deliberate difference is left out here: a level's last prototype is a negative."""
    first, second = (rank[run] for rank in ranks)
    start = first["start"]
    slow = SlowTraining(start["weights"], start["queue"], momentum=0.01, temperature=0.2)
    orders = set()
    for number, steps in enumerate(zip(first["steps"], second["steps"], strict=True)):
        batches = [Batch(step["views"], step["own"], step["draws"]) for step in steps]
        shares = shares_of_key_encoders(steps)
        orders.add(str(shares))
        tree = levels_of(step_workers.hierarchy_of(number))
        expected = slow.step(batches, tree, shares, lr=rate(number))
        for step, losses in zip(steps, expected, strict=True):
            assert step["losses"] == pytest.approx(losses, rel=0, abs=1e-13)
    assert len(orders) > 40  # another shuffle in almost every step
    for rank in (first, second):
        end = rank["end"]
        assert largest(end["query"], slow.query) <= 1e-14
        assert largest(end["key"], slow.key) <= 1e-14
        assert largest(end["queue"], slow.queue) <= 1e-14
