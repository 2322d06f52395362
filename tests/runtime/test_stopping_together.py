"""Two ranks stop at the same step with the same message: one that went on alone would wait for
ever.
"""

import health_workers as workers
import pytest
from distributed_workers import run_on_ranks


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    tasks = [workers.train_with_a_nan_on_the_second_rank, workers.train_with_unreadable_images]
    return run_on_ranks(tasks, 2, tmp_path_factory.mktemp("ranks"))


def test_loss_that_is_nan_on_one_rank_stops_both_with_the_report_of_that_rank(ranks):
    first, second = (rank["train_with_a_nan_on_the_second_rank"] for rank in ranks)
    assert first == second
    assert first["message"].startswith(
        "on rank 1, loss_instance is nan in epoch 1, iteration 2, which is not saved"
    )
    assert first["iterations"] == 2  # 0-based: the third iteration, where the interval of 3 looks
    assert first["files"] == []


def test_unreadable_images_are_counted_over_ranks_and_the_limit_stops_both(ranks):
    first, second = (rank["train_with_unreadable_images"] for rank in ranks)
    assert first == second
    assert first["message"].startswith("3 of 32 images could not be read: ")
    assert all(f"images/{name}.png" in first["message"] for name in ("03", "12", "20"))
    assert "at most 1 may be" in first["message"]
    assert first["files"] == []
