"""Ranks that go on together or stop together.

A rank that raised alone would leave the others waiting in the next collective. So whatever one rank
finds out for itself (its share of the images, a file that only the first rank reads) comes through
one of these two functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mmengine.dist import all_gather_object, broadcast_object_list, get_world_size, is_main_process

from ..errors import HCSCError
from .ranks import wait_for_ranks

T = TypeVar("T")


def on_main_process(decide: Callable[[], T]) -> T:
    """What the first rank finds, on all ranks; its error of a user's kind, too.

    Args:
        decide: Called on the first rank alone; its result must be picklable.

    Raises:
        HCSCError: on all ranks, what ``decide`` raised. OSError likewise.
    """
    found: list[Any] = [None, None]
    if is_main_process():
        try:
            found[0] = decide()
        except (HCSCError, OSError) as error:
            found[1] = error
    broadcast_object_list(found)
    if found[1] is not None:
        raise found[1]
    return found[0]


def raise_together(problem: str | None, stage: str) -> None:
    """Raise on all ranks what any of them has found.

    Args:
        problem: This rank's, one line; None if it found nothing.
        stage: What the ranks were doing, each at its own speed; for the message of who waits.

    Raises:
        HCSCError: this rank's problem; where it has none, that of the first rank with one, which is
            named.
    """
    wait_for_ranks(stage)
    problems = [problem] if get_world_size() == 1 else all_gather_object(problem)
    if problem is not None:
        raise HCSCError(problem)
    for rank, words in enumerate(problems):
        if words is not None:
            raise HCSCError(f"on another rank, {rank}: {words}")
