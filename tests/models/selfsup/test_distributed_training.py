"""Two ranks train one model."""

import distributed_workers as workers
import pytest
import torch
from cases import random_hierarchy

from hcsc_mm.models import log_partition

STEPS = ["train_one_step", "train_one_step_with_batch_norm"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    tasks = [
        workers.shuffle_and_back,
        workers.synchronize_statistics,
        workers.train_one_step,
        workers.train_one_step_with_batch_norm,
    ]
    return workers.run_on_ranks(tasks, 2, tmp_path_factory.mktemp("ranks"))


def test_statistics_become_those_of_all_images_together(ranks):
    for rank in ranks:
        found = rank["synchronize_statistics"]
        halves = found["rows"].chunk(2)
        mean = torch.stack([half.mean(dim=0) for half in halves]).mean(dim=0)
        # Running variances are the unbiased ones of each rank's images; the union's adds the spread
        # of the ranks' means.
        var = (
            torch.stack([half.var(dim=0) for half in halves]).mean(dim=0)
            + (halves[0].mean(dim=0) - halves[1].mean(dim=0)) ** 2 / 4
        )
        torch.testing.assert_close(found["mean"], mean)
        torch.testing.assert_close(found["mean"], found["rows"].mean(dim=0))
        torch.testing.assert_close(found["var"], var, rtol=1e-4, atol=1e-4)


def test_statistics_are_identical_on_both_ranks(ranks):
    first, second = (rank["synchronize_statistics"] for rank in ranks)
    assert torch.equal(first["mean"], second["mean"])
    assert torch.equal(first["var"], second["var"])


@pytest.mark.parametrize("step", STEPS)
def test_the_queue_is_identical_on_both_ranks_after_a_step(ranks, step):
    first, second = (rank[step] for rank in ranks)
    assert torch.equal(first["keys"], second["keys"])
    assert int(first["pointer"]) == int(second["pointer"]) == 8
    assert all(
        torch.equal(one, two)
        for one, two in zip(first["log_partition"], second["log_partition"], strict=True)
    )


def test_shuffled_rows_come_back_in_rank_order(ranks):
    rows = torch.arange(8.0)[:, None]
    shuffled = torch.cat([rank["shuffle_and_back"]["shuffled"] for rank in ranks])
    assert not torch.equal(shuffled, rows) and torch.equal(shuffled.sort(dim=0).values, rows)
    for rank, own in zip(ranks, rows.chunk(2), strict=True):
        assert torch.equal(rank["shuffle_and_back"]["own"], own)
        assert torch.equal(rank["shuffle_and_back"]["all"], rows)


def test_keys_are_those_of_their_images_in_rank_order(ranks):
    for rank in ranks:
        found = rank["train_one_step"]
        torch.testing.assert_close(found["keys"][:8], found["expected_keys"])


def test_denominators_of_gathered_keys_are_exact(ranks):
    hierarchy = random_hierarchy(dim=8)
    for rank in ranks:
        for level, known in enumerate(rank["train_one_step"]["log_partition"]):
            level_of = hierarchy.prototypes[level], hierarchy.concentrations[level]
            torch.testing.assert_close(
                known, log_partition(rank["train_one_step"]["keys"], *level_of)
            )


def test_ranks_have_losses_of_their_own_images(ranks):
    assert ranks[0]["train_one_step"]["loss"] != ranks[1]["train_one_step"]["loss"]
