"""Waiting for other ranks: with an end, and with the name of whom it waited for."""

from __future__ import annotations

import os
import sys
import time

import torch
from mmengine.dist import get_rank, get_world_size

from ..errors import HCSCError

# Longer than the watchdog of a collective (10 minutes with NCCL, 30 with gloo), which would end the
# run without a name.
WAIT_MINUTES = float(os.environ.get("HCSC_WAIT_MINUTES", "60"))
_REMIND_SECONDS = 60.0
_FAILED = "hcsc_mm/failed"


def wait_for_ranks(stage: str, minutes: float | None = None) -> None:
    """Return when every rank has come here; the others may be as late as ``minutes``.

    In front of the first collective after work that each rank does for itself (reading its share of
    the images, writing a file). It asks the processes' key-value store, so that no collective is
    pending meanwhile and no watchdog counts.

    Args:
        stage: What the ranks were doing, for messages.
        minutes: The longest wait; ``HCSC_WAIT_MINUTES`` or 60 by default.

    Raises:
        HCSCError: a rank is late beyond measure, or has failed; it is named.
    """
    if get_world_size() == 1:
        return
    minutes = WAIT_MINUTES if minutes is None else minutes
    store, rank, world_size = _store(), get_rank(), get_world_size()
    round_ = _rounds_of(store, stage, rank) + 1
    store.set(_key(stage, rank), str(round_))
    arrived = store.add(f"hcsc_mm/{stage}/arrived", 1)
    start, pause, next_word = time.monotonic(), 0.001, min(_REMIND_SECONDS, 60 * minutes)
    while arrived < round_ * world_size:
        _raise_if_a_rank_failed(store)
        waited = time.monotonic() - start
        late = (
            [other for other in range(world_size) if _rounds_of(store, stage, other) < round_]
            if waited > next_word
            else []
        )
        if late:
            next_word = waited + _REMIND_SECONDS
            _speak(rank, late, stage, waited, minutes, is_over=waited > 60 * minutes)
        time.sleep(pause)
        pause = min(0.25, 1.5 * pause)
        arrived = store.add(f"hcsc_mm/{stage}/arrived", 0)


def _speak(
    rank: int, late: list[int], stage: str, waited: float, minutes: float, is_over: bool
) -> None:
    """Name the ranks that are late, in a warning of one rank for all who wait, or in the error that
    ends the wait.
    """
    names = f"rank{'s' if len(late) > 1 else ''} {', '.join(map(str, late))}"
    if is_over:
        raise HCSCError(
            f"rank {rank} has waited {waited / 60:.3g} minutes for {names} in {stage}, longer than "
            f"HCSC_WAIT_MINUTES={minutes:g}; look there for a slow disk or a busy machine, or "
            "raise the limit"
        )
    if rank == min(set(range(get_world_size())) - set(late)):
        print(f"waiting for {names} in {stage}, {waited:.0f} s so far", file=sys.stderr, flush=True)


def report_failure(message: str) -> str | None:
    """Tell the other ranks that this one stops.

    Returns:
        None for the rank that failed first; for the others, which then only follow it, its name.
    """
    if not torch.distributed.is_initialized() or get_world_size() == 1:
        return None
    own = f"rank {get_rank()}: {message}"
    try:
        first = _store().compare_set(_FAILED, "", own).decode()
    # The store goes down with the process that holds it; there is nobody left to tell then.
    except Exception:  # noqa: BLE001
        return None
    return None if first == own else first.split(":")[0]


def _raise_if_a_rank_failed(store: torch.distributed.Store) -> None:
    if store.check([_FAILED]):
        raise HCSCError(f"stopped because another process failed, {store.get(_FAILED).decode()}")


def _rounds_of(store: torch.distributed.Store, stage: str, rank: int) -> int:
    """How often a rank has come to the end of a stage."""
    key = _key(stage, rank)
    return int(store.get(key)) if store.check([key]) else 0


def _key(stage: str, rank: int) -> str:
    return f"hcsc_mm/{stage}/{rank}"


def _store() -> torch.distributed.Store:
    """The store that the processes met at.

    PyTorch has no public name for it, and a second one would need a second free port.
    """
    return torch.distributed.distributed_c10d._get_default_store()
