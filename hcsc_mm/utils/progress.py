"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from mmengine.dist import get_rank
from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")

# What is over sooner needs no bar.
_DELAY_SECONDS = 2.0


def track(iterable: Iterable[T], description: str) -> Iterator[T]:
    """Iterate with a bar on rank 0 if standard error is a terminal and it takes longer than a
    moment; the bar disappears at the end.

    Args:
        iterable: With a length, for a bar that knows its end.
        description: What is being done.
    """
    if get_rank() != 0 or not sys.stderr.isatty():
        yield from iterable
        return
    total = len(iterable) if isinstance(iterable, Sized) else None
    start, progress, task = time.monotonic(), None, None
    try:
        for count, item in enumerate(iterable):
            if progress is None and time.monotonic() - start > _DELAY_SECONDS:
                progress = Progress(console=Console(stderr=True), transient=True)
                task = progress.add_task(description, total=total)
                progress.start()
            if progress is not None:
                progress.update(task, completed=count)
            yield item
    finally:
        if progress is not None:
            progress.stop()
