"""Which of a run's checkpoints are there, and which of them go."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.runner import Runner

# of the message hub: names of the files that ``max_keep_ckpts`` counts, oldest first
KEPT_KEY = "kept_checkpoints"
WITHIN_EPOCH = "iter_{}.pth"


def kept_names(runner: Runner, besides: str | None = None) -> list[str]:
    """Names of the checkpoints that this run and those it goes on from have left, oldest first.

    Args:
        runner: In training.
        besides: A name that does not count.
    """
    names = runner.message_hub.runtime_info.get(KEPT_KEY, [])
    return [name for name in names if name != besides]


def set_kept(runner: Runner, names: Sequence[str]) -> None:
    """Note which checkpoints are there, oldest first; the note goes into the next one."""
    runner.message_hub.update_info(KEPT_KEY, list(names))


def last_good(runner: Runner, folder: str, besides: str) -> str:
    """The words for an error: which checkpoint is left when the one called ``besides`` is not."""
    kept = kept_names(runner, besides)
    if not kept:
        return "no checkpoint was saved before"
    return f"the last good checkpoint is {os.path.join(folder, kept[-1])}"


def outdated(names: Sequence[str], max_at_ends: int, in_epochs: bool = True) -> list[str]:
    """Those of the checkpoints that are to go, now that the newest is whole.

    Args:
        names: All that there are, oldest first.
        max_at_ends: How many of epochs' ends stay; 0 or less: all.
        in_epochs: Whether the run has epochs, whose checkpoints replace those within them. In one
            that counts iterations, these are its epochs' ends.
    """
    before, _ = WITHIN_EPOCH.split("{}")
    passing = [name for name in names if in_epochs and name.startswith(before)]
    at_ends = [name for name in names if name not in passing]
    old = [name for name in names[:-1] if name in passing]
    return old + at_ends[:-max_at_ends] if max_at_ends > 0 else old
