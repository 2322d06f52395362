"""Signals that ask a run to stop, and the exit code of a run that did."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Slurm sends SIGTERM to a job that is pre-empted, and SIGUSR1 ahead of the time limit with
# --signal=USR1@120. Windows has no SIGUSR1.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
# EX_TEMPFAIL of sysexits.h: "try again later". No shell and no Python error uses it.
EXIT_CODE = 75
# in the environment, so that worker processes know however they were started
_NOTED = "HCSC_SIGNALS_NOTED"

_received: list[signal.Signals] = []
_has_begun = False


class PreemptedError(SystemExit):
    """The run has saved its state and ends, with :data:`EXIT_CODE`."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_CODE)
        self.message = message


@contextmanager
def signals_noted() -> Iterator[None]:
    """Note the signals instead of dying of them; training looks between its steps. Before it has
    begun they end the run at once.
    """
    global _has_begun
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    os.environ[_NOTED] = "1"
    try:
        yield
    except PreemptedError:
        before = dict.fromkeys(
            SIGNALS, signal.SIG_IGN
        )  # what is still on its way must not change the exit code
        raise
    finally:
        _has_begun = False
        _received.clear()
        del os.environ[_NOTED]
        _end_children()
        for number, handler in before.items():
            signal.signal(number, handler)


def training_begins() -> None:
    """From here on there is something to save.

    Raises:
        PreemptedError: a signal came before, and what ran then let its exception drop.
    """
    global _has_begun
    if _received:
        raise _nothing_saved(_received[0])
    _has_begun = True


def _note(number: int, _: FrameType | None) -> None:
    _received.append(signal.Signals(number))
    if not _has_begun:
        raise _nothing_saved(_received[0])


def _nothing_saved(name: signal.Signals) -> PreemptedError:
    return PreemptedError(
        f"stopped by {name.name}, for which no checkpoint was saved; exit code {EXIT_CODE}; "
        "start again with --resume auto"
    )


def leave_signals_to_the_main_process() -> None:
    """For loader workers: Slurm and torchrun signal every process of a job, and the main one still
    needs its images.

    Only where the main process notes the signals, and ends its workers itself: elsewhere SIGTERM is
    how Python ends them.
    """
    if os.environ.get(_NOTED):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def received() -> signal.Signals | None:
    """The signal that came first, None if none did."""
    return _received[0] if _received else None


def _end_children() -> None:
    """Loader workers of an epoch that broke off; SIGTERM, which Python would send them on leaving,
    they ignore.
    """
    children = [child for child in multiprocessing.active_children() if child.daemon]
    if children and hasattr(signal, "SIGCHLD"):
        # PyTorch's handler takes their end for a failure
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in children:
        child.kill()
    for child in children:
        child.join()
