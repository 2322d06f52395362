"""Small versions of ``make faults``: real processes, started as a user starts them, really killed."""

import signal

import pytest

from faults.job import Job
from faults.kills import kills
from faults.ranks import failing_rank, preempted, slow_rank


def assert_good(rows):
    bad = [row for row in rows if not row[2]]
    assert not bad, bad


def test_killed_run_of_two_processes_ends_with_the_weights_of_the_uninterrupted_one(tmp_path):
    assert_good(kills(tmp_path, number=3, processes=2, epochs=8))


@pytest.mark.parametrize("what", ["error", "die"])
def test_failing_rank_takes_the_others_along_and_has_the_last_word(tmp_path, what):
    assert_good(failing_rank(tmp_path, what))


def test_run_waits_for_a_rank_that_is_late_for_clustering(tmp_path):
    assert_good(slow_rank(tmp_path, seconds=5))


def test_launcher_hands_the_signal_to_its_ranks_and_ends_with_their_exit_code(tmp_path):
    assert_good(preempted(tmp_path, signal.SIGUSR1, processes=2))


def test_resuming_on_another_number_of_ranks_says_what_cannot_be_equal(tmp_path):
    job = Job(tmp_path, processes=2, epochs=3, every_n_iters=2)
    job.start()
    job.wait_for_training()
    while not list(job.work_dir.glob("iter_*.pth")) and job.process.poll() is None:
        pass
    job.kill_all()
    job.processes = 1
    assert job.run("--resume") == 0
    assert job.output().count("resumes with 1 × 16 images a step what ran with 2 × 16") == 1
    assert (job.work_dir / "epoch_3.pth").is_file()
