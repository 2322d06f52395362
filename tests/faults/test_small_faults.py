"""Small versions of ``make faults``: real processes, started as a user does, really killed."""

import signal
import tempfile
from pathlib import Path

import pytest

from faults.disk import full_disk
from faults.job import Job
from faults.kills import kills
from faults.ranks import failing_rank, preempted, slow_rank


@pytest.fixture
def folder():
    """Shorter than pytest's: the paths of sockets in it end at 107 characters."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def assert_good(rows):
    bad = [row for row in rows if not row[2]]
    assert not bad, bad


def test_killed_run_of_two_processes_ends_with_the_weights_of_the_uninterrupted_one(folder):
    assert_good(kills(folder, number=3, processes=2, epochs=6))


def test_killed_run_of_two_processes_that_clusters_the_keys_of_training_does_so_too(folder):
    assert_good(kills(folder, number=1, processes=2, epochs=4, features="bank"))


def test_full_disk_stops_a_run_of_two_processes_with_one_line(folder):
    assert_good(
        full_disk(folder, mount=False)
    )  # a test that is killed must not leave a mounted file system behind


@pytest.mark.parametrize("what", ["error", "die"])
def test_failing_rank_takes_the_others_along_and_has_the_last_word(folder, what):
    assert_good(failing_rank(folder, what))


def test_run_waits_for_a_rank_that_is_late_for_clustering(folder):
    assert_good(slow_rank(folder, seconds=3))


def test_launcher_hands_the_signal_to_its_ranks_and_ends_with_their_exit_code(folder):
    assert_good(preempted(folder, signal.SIGUSR1, processes=2))


def test_resuming_on_another_number_of_ranks_says_what_cannot_be_equal(folder):
    job = Job(folder, processes=2, epochs=3, every_n_iters=2)
    job.start()
    job.wait_for_training()
    while not list(job.work_dir.glob("iter_*.pth")) and job.process.poll() is None:
        pass
    job.kill_all()
    job.processes = 1
    assert job.run("--resume") == 0
    assert job.output().count("resumes with 1 × 16 images a step what ran with 2 × 16") == 1
    assert (job.work_dir / "epoch_3.pth").is_file()
