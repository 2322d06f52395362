"""Measured against a yardstick, in turns, so that a change of the machine's load meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What is measured, and against what.
        measured: Median of what is measured.
        yardstick: Median; None where the goal is absolute.
        unit: Unit of both values, such as 'ms'.
        ratio: Median of the turns' ratios, the way round in which the goal is stated.
        low, high: Smallest and largest ratio of a turn.
        goal: The ratio to reach (the value, without a yardstick); None: there is none.
        at_most: Whether the goal is an upper bound.
    """

    name: str
    measured: float
    yardstick: float | None
    unit: str
    ratio: float
    low: float
    high: float
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def as_dict(self) -> dict:
        return {**asdict(self), "met": self.met}


def seconds(run: Callable[[], object], device: torch.device | str = "cpu") -> float:
    """How long one call takes, until the device has done its part."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def in_turns(contenders: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Every contender once per turn; what each returned, turn by turn."""
    turns = [{name: measure() for name, measure in contenders.items()} for _ in range(repeats)]
    return {name: [turn[name] for turn in turns] for name in contenders}


def slower(
    name: str,
    ours: list[float],
    yardstick: list[float],
    goal: float | None,
    unit: str = "ms",
    scale: float = 1e3,
) -> Row:
    """How many times the yardstick's time ours takes: a goal of at most."""
    return _row(
        name,
        ours,
        yardstick,
        [a / b for a, b in zip(ours, yardstick, strict=True)],
        goal,
        True,
        unit,
        scale,
    )


def faster(
    name: str,
    ours: list[float],
    yardstick: list[float],
    goal: float | None,
    unit: str = "s",
    scale: float = 1.0,
) -> Row:
    """How many times our time the yardstick takes: a goal of at least."""
    return _row(
        name,
        ours,
        yardstick,
        [b / a for a, b in zip(ours, yardstick, strict=True)],
        goal,
        False,
        unit,
        scale,
    )


def more(
    name: str, ours: list[float], yardstick: list[float], goal: float | None, unit: str
) -> Row:
    """How many times the yardstick's rate ours has: a goal of at least."""
    return _row(
        name,
        ours,
        yardstick,
        [a / b for a, b in zip(ours, yardstick, strict=True)],
        goal,
        False,
        unit,
        1.0,
    )


def absolute(name: str, values: list[float], goal: float | None, unit: str) -> Row:
    """A value with a goal of at most, without a yardstick."""
    return Row(
        name,
        statistics.median(values),
        None,
        unit,
        statistics.median(values),
        min(values),
        max(values),
        goal,
        True,
    )


def _row(
    name: str,
    ours: list[float],
    yardstick: list[float],
    ratios: list[float],
    goal: float | None,
    at_most: bool,
    unit: str,
    scale: float,
) -> Row:
    return Row(
        name,
        scale * statistics.median(ours),
        scale * statistics.median(yardstick),
        unit,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        goal,
        at_most,
    )


def _wait(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def forget_peak() -> None:
    """Let this process's peak memory begin anew (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """MiB of memory that this process has held at most. (``ru_maxrss`` of ``getrusage`` would be at
    least that of the process which started it.)
    """
    return _status_mib("VmHWM")


def resident_mib() -> float:
    """MiB of memory that this process holds."""
    return _status_mib("VmRSS")


def _status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
