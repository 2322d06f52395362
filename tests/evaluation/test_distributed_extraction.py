"""Two ranks extract a shard each."""

import distributed_workers as workers
import pytest
import torch


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    tasks = [workers.extract_shards, workers.extract_with_problems, workers.extract_one_image]
    return workers.run_on_ranks(tasks, 2, tmp_path_factory.mktemp("ranks"))


def test_shards_together_are_the_rows_of_one_process(ranks):
    alone = workers.extract_shards()
    assert [rank["extract_shards"]["rows"] for rank in ranks] == [7, 6]
    for rank in ranks:
        assert torch.equal(rank["extract_shards"]["features"], alone["features"])


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("nan", r"sample 12 (folder/12.jpg)"),
        ("missing", "1 of 6 rows were never delivered, the first ones are [12]"),
        ("foreign", "row 0 lies outside of this rank's shard [7, 13)"),
    ],
)
def test_a_problem_of_the_last_rank_is_an_error_on_both(ranks, problem, message):
    first, last = (rank["extract_with_problems"][problem] for rank in ranks)
    assert message in last
    assert "another rank" in first


def test_a_rank_without_images_does_not_fail_alone(ranks):
    first, second = (rank["extract_one_image"] for rank in ranks)
    assert (first is None) == (second is None), f"rank 0: {first}; rank 1: {second}"
