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
    at them, while they become more, are a quarter of the time that the imports take.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def no_last_look() -> None:
    """Spare the process's end the search for garbage among all objects of all imports, which takes
    as long as a quarter of the imports; the memory goes back with the process.
    """
    atexit.register(gc.freeze)
