"""Ranks wait for each other with an end, and know whom they wait for."""

import distributed_workers as workers
import pytest


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    three = [
        workers.wait_for_a_late_rank,
        workers.wait_in_vain,
        workers.wait_for_a_rank_that_failed,
    ]
    return workers.run_on_ranks(three, 3, tmp_path_factory.mktemp("ranks"))


def test_ranks_go_on_together_when_the_last_one_has_come(ranks):
    assert all(rank["wait_for_a_late_rank"] >= 2 for rank in ranks)


def test_end_of_a_wait_names_the_slow_rank_and_the_stage(ranks):
    for number, rank in enumerate(ranks[:2]):
        assert f"rank {number} has waited" in rank["wait_in_vain"]
        assert (
            "for rank 2 in feature extraction, longer than HCSC_WAIT_MINUTES=0.01"
            in rank["wait_in_vain"]
        )


def test_failure_of_a_rank_ends_the_wait_of_the_others_with_its_message(ranks):
    for rank in ranks[:2]:
        assert rank["wait_for_a_rank_that_failed"] == (
            "stopped because another process failed, rank 2: HCSCError: cannot read image a.png | "
            "rank 2"
        )
