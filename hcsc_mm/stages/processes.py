"""Several processes, and several chains, on one folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dist import is_main_process

from ..errors import HCSCError
from ..runtime.preemption import EXIT_CODE, PreemptedError, received, signals_noted
from ..utils.locks import held


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """One chain at a time; the lock ends with the process that holds it, however that ends.

    Raises:
        HCSCError: another one holds it.
    """
    with held(os.path.join(folder, ".lock")) as ours:
        if not ours:
            raise HCSCError(
                f"another run of stages is at work in {folder}; wait for it, or choose another "
                "--work-dir"
            )
        yield


@contextmanager
def stoppable(name: str) -> Iterator[None]:
    """A signal that came too late for a training step to see it ends the chain after the stage's
    last step.
    """
    with signals_noted():
        yield
        if received() is not None:
            raise PreemptedError(
                f"stopped by {received().name} in {name}; exit code {EXIT_CODE}; the same command "
                "goes on"
            )


def headline(words: str) -> None:
    """A headline on standard error, once for all processes."""
    if is_main_process():
        print(f"=== {words}", file=sys.stderr, flush=True)
