"""Python's garbage collector, at rest while the package is imported and when all is over."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Import in the body without looking for garbage in what that makes.

    These are half a million objects that stay as long as the process does: the collector's looks
    at them, while they become more, are a quarter of the time that the imports take. Afterwards
    they are old ones, which only a full collection looks at.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what somebody has frozen stays so
            gc.freeze()
            gc.unfreeze()  # into the oldest generation, unseen
        if collecting:
            gc.enable()


def spare_imports() -> None:
    """Take all that is there by now out of the collector's sight, for good.

    For a program whose process is its own, once its imports are done. mmengine looks for garbage
    whenever it builds a data set, and forked workers copy the pages that a look touches. Where
    something is frozen already, another program has made its choice, and nothing happens.
    """
    if not gc.get_freeze_count():
        gc.freeze()


def no_last_look() -> None:
    """Spare the process's end the search for garbage among all objects of all imports, which takes
    as long as a quarter of the imports; the memory goes back with the process.
    """
    atexit.register(gc.freeze)
