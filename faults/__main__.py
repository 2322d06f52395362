"""Disturb training runs in every way that a cluster knows, and print what came of it: ``python -m
faults``.
"""

from __future__ import annotations

import sys

if not sys.platform.startswith("linux"):
    sys.exit("error: runs are watched and killed by way of /proc, which only Linux has")

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .disk import full_disk
from .endurance import endurance
from .kills import kills
from .ranks import failing_rank, preempted, slow_rank

Row = tuple[str, object, bool]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__.split(":")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="which of: kills, kills-one, disk, slow, ranks, preemption, endurance; all",
    )
    parser.add_argument(
        "--kills", type=int, default=50, help="SIGKILLs of each of the two runs that are killed"
    )
    parser.add_argument("--epochs", type=int, default=60, help="epochs of these runs")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--slow-seconds", type=float, default=60, help="how late the slow rank is")
    parser.add_argument(
        "--minutes", type=float, default=30, help="how long the run goes whose memory is watched"
    )
    parser.add_argument(
        "--folder", type=Path, help="where the runs are kept; by default they are deleted"
    )
    args = parser.parse_args()
    faults: dict[str, Callable[[Path], list[Row]]] = {
        "kills": lambda folder: kills(folder, args.kills, 2, args.epochs, args.seed),
        "kills-one": lambda folder: kills(folder, args.kills, 1, args.epochs, args.seed),
        "disk": full_disk,
        "slow": lambda folder: slow_rank(folder, args.slow_seconds),
        "ranks": lambda folder: failing_rank(folder, "error") + failing_rank(folder, "die"),
        "preemption": lambda folder: (
            preempted(folder / "one", signal.SIGTERM, 1)
            + preempted(folder / "two", signal.SIGUSR1, 2)
        ),
        "endurance": lambda folder: endurance(folder, 60 * args.minutes),
    }
    unknown = [name for name in args.names if name not in faults]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(faults)}")
    good = True
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as temporary:
        for name in args.names or faults:
            good &= show(name, faults[name], (args.folder or Path(temporary)) / name)
    sys.exit(0 if good else 1)


def show(name: str, fault: Callable[[Path], list[Row]], folder: Path) -> bool:
    """Run one kind of fault and print its part of the table; whether all is as it should be."""
    folder.mkdir(parents=True)
    start = time.monotonic()
    rows = fault(folder)
    print(f"\n{name} ({time.monotonic() - start:.0f} s)")
    for what, value, good in rows:
        print(f"{what:<72} {value!s:>10}  {'' if good else 'FAULT'}", flush=True)
    return all(good for _, _, good in rows)


if __name__ == "__main__":
    main()
