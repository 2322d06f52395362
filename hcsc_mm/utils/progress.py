"""A progress bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mmengine.dist import get_rank
from rich.console import Console
from rich.progress import track as rich_track

T = TypeVar("T")


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a bar on rank 0 if standard error is a terminal; the bar disappears when it is done."""
    if get_rank() != 0 or not sys.stderr.isatty():
        yield from iterable
        return
    yield from rich_track(iterable, description, total=total, transient=True, console=Console(stderr=True))
