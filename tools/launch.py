#!/usr/bin/env python
"""torchrun that lets ranks save their state when it is told to stop: ``tools/launch.py [flags of
torchrun] SCRIPT [flags]``.

SIGTERM and SIGUSR1 go on to the ranks, which end with exit code 75 when they have saved a
checkpoint, and so does this program. When a rank fails, the last thing on the screen is what the
first one to fail died of.
"""

from __future__ import annotations

import sys

if not sys.platform.startswith("linux"):
    sys.exit(
        "error: this launcher finds its processes in /proc, which only Linux has; elsewhere run: "
        "torchrun --nproc_per_node=N tools/train.py CONFIG --launcher pytorch"
    )

import contextlib
import fcntl
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# As hcsc_mm.garbage does, which takes all of the package to import: looking for garbage in what the
# imports make is a quarter of this program's start, and looking again is part of its end.
gc.disable()

from torch.distributed import run as torchrun  # noqa: E402
from torch.distributed.elastic.multiprocessing.errors import (  # noqa: E402
    ChildFailedError,
    ProcessFailure,
)

gc.freeze()
gc.enable()

PREEMPTED = (
    75  # hcsc_mm.runtime.preemption.EXIT_CODE; importing that would take longer than all else here
)
HANDED_ON = (signal.SIGTERM, signal.SIGUSR1)
PREFIX = "hcsc-"
LONGEST = 107 - len(
    "/pymp-12345678/listener-12345678"
)  # loader workers make sockets in it, and that is as long as a socket's path may be


def main() -> None:
    for number in HANDED_ON:
        signal.signal(number, hand_on)
    try:
        with temporary_folder() as folder:
            torchrun.run(
                torchrun.parse_args(
                    [
                        "--signals-to-handle",
                        "SIGINT,SIGHUP,SIGQUIT",
                        "--log-dir",
                        folder,
                        *sys.argv[1:],
                    ]
                )
            )
    except ChildFailedError as error:
        if all(failure.exitcode == PREEMPTED for failure in error.failures.values()):
            sys.exit(PREEMPTED)
        rank, failure = min(error.failures.items(), key=lambda item: order(item[1]))
        sys.exit(f"\nrank {rank} failed first, {cause(failure)}")


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder for what ranks and loader workers put into temporary files; the next start removes
    those of runs that were killed.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with (
            contextlib.suppress(OSError),
            open(old / "lock") as lock,
        ):  # not ours to touch, or in use
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder,
        open(Path(folder) / "lock", "w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if len(folder) <= LONGEST:
            os.environ["TMPDIR"] = folder
        yield folder


def hand_on(number: int, _: object) -> None:
    """Send a signal to the ranks; without any, end of it."""
    ranks = children()
    if not ranks:
        sys.exit(128 + number)
    for process in ranks:
        os.kill(process, number)


def children() -> list[int]:
    """Processes that this one has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name before may hold anything.
            state, parent = status.read_text().rsplit(")", maxsplit=1)[1].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(status.parent.name))
    return found


def order(failure: ProcessFailure) -> tuple[int, int]:
    """Smallest for what came first: a rank that was killed, then those with an error; torchrun ends
    the rest by SIGTERM.
    """
    return 2 if failure.exitcode == -signal.SIGTERM else int(
        failure.exitcode > 0
    ), failure.timestamp


def cause(failure: ProcessFailure) -> str:
    """How a rank ended, with its traceback if it left one; a mistake of the user's is one line."""
    if failure.exitcode < 0:
        name = failure.signal_name()
        hint = "; out of memory? the kernel's log says so" if name == "SIGKILL" else ""
        return f"killed by {name} (process {failure.pid}){hint}"
    message = failure.error_file_data.get("message")
    if not isinstance(message, dict):
        return f"with exit code {failure.exitcode}; it says above why"
    text = (
        message["message"]
        if message["message"].startswith("HCSCError")
        else message["extraInfo"]["py_callstack"]
    )
    return f"with exit code {failure.exitcode}:\n{text.strip()}"


if __name__ == "__main__":
    main()
