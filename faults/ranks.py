"""One rank is slow, fails, dies, or is told to stop."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from .job import Job, kill, largest_difference


def slow_rank(folder: Path, seconds: float) -> list[tuple[str, object, bool]]:
    """One rank comes late to the clustering; the run goes on and its numbers stay the same."""
    slow = Job(
        folder / "slow",
        2,
        epochs=3,
        hooks=({"type": "mmengine.Disturb", "what": "slow", "seconds": seconds},),
    )
    plain = Job(folder / "plain", 2, epochs=3)
    code = slow.run() or plain.run()
    difference = (
        largest_difference(slow.final_weights(), plain.final_weights())
        if code == 0
        else float("inf")
    )
    return [
        (f"one rank {seconds:.0f} s late for clustering: exit code", code, code == 0),
        ("  largest difference of the final weights", f"{difference:.3g}", difference == 0),
    ]


def failing_rank(folder: Path, what: str) -> list[tuple[str, object, bool]]:
    """One rank raises or is killed; the others end, and the cause is the last thing said."""
    job = Job(folder / what, 2, epochs=3, hooks=({"type": "mmengine.Disturb", "what": what},))
    job.start()
    job.wait_for_training()
    while job.process.poll() is None and len(job.ranks()) == 2:
        time.sleep(0.05)
    start = time.monotonic()
    code = job.wait(120)
    seconds, last = time.monotonic() - start, job.output().rsplit("failed first", maxsplit=1)
    cause = {"error": "RuntimeError: this rank has a fault", "die": "killed by SIGKILL"}[what]
    told = len(last) == 2 and last[0].endswith("rank 1 ") and cause in last[1]
    return [
        (
            f"one rank {'raises an error' if what == 'error' else 'is killed'}: exit code",
            code,
            code == 1,
        ),
        ("  seconds until the others ended", f"{seconds:.1f}", seconds <= 60),
        ("  the last words name the rank and the cause", "yes" if told else "no", told),
    ]


def preempted(
    folder: Path, number: signal.Signals, processes: int
) -> list[tuple[str, object, bool]]:
    """A run is told to stop, and goes on later."""
    whole, job = (
        Job(folder / "whole", processes, epochs=4, workers=1),
        Job(folder / "stopped", processes, epochs=4, workers=1),
    )
    job.start("--resume", "auto")
    job.wait_for_training()
    while job.stage() != "training":
        time.sleep(0.02)
    for member in (
        job.members() if processes == 1 else [job.process.pid]
    ):  # Slurm signals every process of a job, loader workers included
        kill(member, number)
    code = job.wait(120)
    rest = whole.run() or job.run("--resume", "auto")
    difference = (
        largest_difference(job.final_weights(), whole.final_weights())
        if rest == 0
        else float("inf")
    )
    name = (
        f"{number.name} to "
        f"{'the launcher of 2 processes' if processes > 1 else 'all processes of a run on one'}"
    )
    return [
        (f"{name}: exit code", code, code == 75),
        (
            "  after --resume auto, largest difference of the final weights",
            f"{difference:.3g}",
            difference <= 1e-6,
        ),
    ]
