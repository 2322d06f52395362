"""SIGKILL at random moments, each followed by --resume."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from .job import Job, kill, largest_difference

TOLERANCE = {1: 1e-6, 2: 1e-5}
ONE_RANK_EVERY = 5  # of the kills hits one rank only, the others all processes at once


def kills(
    folder: Path, number: int, processes: int, epochs: int, seed: int = 0, features: str = "extract"
) -> list[tuple[str, object, bool]]:
    """Compare a run that is killed ``number`` times with one that is not.

    Returns:
        Rows of a table: what, how much, and whether it is as it should be.
    """
    dice = random.Random(seed)
    # Loader workers leave temporary files behind, which the launcher of several processes takes
    # away.
    options = {"workers": processes - 1, "features": features}
    whole = Job(folder / "whole", processes, epochs, **options)
    whole.start()
    whole.wait_for_training()
    start = time.monotonic()
    if whole.wait() != 0:
        raise RuntimeError(f"the uninterrupted run failed:\n{whole.output()[-2000:]}")
    seconds = time.monotonic() - start

    job, stages, damaged, slowest = (
        Job(folder / "killed", processes, epochs, **options),
        Counter(),
        [],
        0.0,
    )
    job.start("--resume")
    done = 0
    while done < number:
        if not job.wait_for_training():
            break
        # Close enough to each other for all of them to come before the end, also on a machine that
        # is faster now than it was before.
        time.sleep(dice.uniform(0, 1.2 * seconds / (number + 5)))
        if job.process.poll() is not None:
            break
        stages[job.stage()] += 1
        done += 1
        if processes > 1 and done % ONE_RANK_EVERY == 0 and (ranks := job.ranks()):
            slowest = max(slowest, kill_one(job, dice.choice(ranks)))
        job.kill_all()
        damaged += job.damaged()
        job.start("--resume")
    code = job.wait(60 + 4 * seconds)
    difference = (
        largest_difference(job.final_weights(), whole.final_weights())
        if code == 0
        else float("inf")
    )
    left = job.left_behind()
    rows = [
        (
            f"kills of a run of {epochs} epochs on {processes} "
            f"process{'es' if processes > 1 else ''}",
            done,
            done == number,
        ),
        *((f"  of them while {stage}", count, True) for stage, count in sorted(stages.items())),
        ("exit code of the last start", code, code == 0),
        ("unreadable checkpoints after a kill", len(damaged), not damaged),
        (
            "largest difference of the final weights",
            f"{difference:.3g}",
            difference <= TOLERANCE[processes],
        ),
        ("files left behind", ", ".join(left) or "none", not left),
    ]
    if processes > 1:
        rows.insert(
            -4,
            (
                "  seconds until the others ended when one rank was killed",
                f"{slowest:.1f}",
                slowest <= 60,
            ),
        )
    return rows


def kill_one(job: Job, rank: int) -> float:
    """Kill one rank; returns the seconds until the rest has ended."""
    start = time.monotonic()
    kill(rank)
    job.wait(120)
    return time.monotonic() - start
