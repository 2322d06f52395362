#!/usr/bin/env python
"""Methods beside each other: ``python tools/compare.py GRID`` runs data × method × seed.

A finished cell is a small JSON file, and the same command goes on where it was stopped. Each cell
is a process of its own. Several calls share a grid: one that meets a cell at which another one is
at work takes the next; ``--array i/n`` runs every n-th cell, for a Slurm array.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

try:
    import hcsc_mm
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

import torch

from hcsc_mm import HCSCError
from hcsc_mm.compare import Cell, cells_of, measure_cell, read_grid, save_comparison
from hcsc_mm.compare.cells import collect, finished, is_outdated
from hcsc_mm.garbage import spare_imports
from hcsc_mm.runtime.console import duration
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.runtime.preemption import signals_noted
from hcsc_mm.utils.files import write_text
from hcsc_mm.utils.locks import held
from hcsc_mm.utils.machine import this_machine
from hcsc_mm.utils.progress import track

WORK_DIR = "work_dirs/compare_cells"
# Ctrl-C and SIGTERM, by signal or by exit code; 75: a run that saved itself before it stopped
INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM, 130, 143, 75)
TAKEN = 69  # exit code of a cell at which another process is at work
TABLE_SECONDS = 60  # that another process may take to write the table
NOTHING = {"scores": {}, "spread": {}, "collapsed": False, "seconds": 0.0, "steps": 0}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", help="path of a grid, such as configs/compare/digits.py")
    parser.add_argument("--out", default="work_dirs/compare", help="folder of cells and table")
    parser.add_argument(
        "--others",
        nargs="+",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folders of other grids' cells: one that was run there, on a machine like this one, "
        "is taken, and not run again",
    )
    parser.add_argument(
        "--work-dir",
        help="folder of configs, logs and checkpoints of the cells, which are kept there (default: "
        "work_dirs/compare_cells, without those of finished cells)",
    )
    parser.add_argument("--array", default="0/1", metavar="I/N", help="only every N-th cell")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cells by name")
    parser.add_argument("--hours", type=float, help="begin no cell after so many hours")
    parser.add_argument(
        "--minutes",
        type=float,
        help="stop after so many minutes, within a cell, which the next call goes on with",
    )
    parser.add_argument("--table", action="store_true", help="make the table of what is there")
    parser.add_argument("--cell", metavar="NAME", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    spare_imports()
    args = parse_args()
    with one_line_errors("interrupted; the same command goes on"):
        grid, out = read_grid(args.grid), Path(args.out)
        cells = list(cells_of(grid))
        if args.cell is not None:
            run_cell(next(cell for cell in cells if cell.name == args.cell), args)
            return
        wanted = [] if args.table else choose(cells, args)
        run_all(wanted, args)
        with held(out / ".lock", TABLE_SECONDS) as ours:
            if not ours:
                raise HCSCError(f"another process writes the table of {out}; --table makes it anew")
            print(save_comparison(grid, collect(grid, out, args.others), out))
        say_outdated([cell for cell in cells if not is_done(cell, args)], out)


def choose(cells: list[Cell], args: argparse.Namespace) -> list[Cell]:
    """Those of this call, without finished ones."""
    unknown = set(args.only) - {name for cell in cells for name in names_of(cell)}
    if unknown:
        raise HCSCError(f"there is no cell, data or method {min(unknown)!r} in {args.grid}")
    index, _, number = args.array.partition("/")
    if not (index.isdigit() and number.isdigit() and int(index) < int(number)):
        raise HCSCError(f"--array {args.array}: give I/N with I from 0 to N - 1, such as 0/4")
    mine = cells[int(index) :: int(number)]
    mine = [cell for cell in mine if not args.only or set(args.only) & set(names_of(cell))]
    for cell in track(mine, "configs of the cells"):  # a mistake is found before the first trains
        cell.check()
    return [cell for cell in mine if not is_done(cell, args)]


def is_done(cell: Cell, args: argparse.Namespace) -> bool:
    return finished(cell, Path(args.out), others=args.others, machine=this_machine()) is not None


def names_of(cell: Cell) -> tuple[str, ...]:
    return cell.name, cell.data, cell.method, f"{cell.data}-{cell.method}"


def run_all(cells: list[Cell], args: argparse.Namespace) -> None:
    begun = time.monotonic()
    for number, cell in enumerate(cells, start=1):
        spent = time.monotonic() - begun
        left = None if args.minutes is None else 60 * args.minutes - spent
        if args.hours is not None and spent >= 3600 * args.hours:
            words = None
        else:
            print(f"=== cell {number} of {len(cells)}: {cell.name}", file=sys.stderr, flush=True)
            words = run_one(cell, left, args)
        if words is None:
            print(f"{len(cells) - number + 1} cells are left for another time", file=sys.stderr)
            return
        print(f"    {words}", file=sys.stderr, flush=True)


def run_one(cell: Cell, seconds: float | None, args: argparse.Namespace) -> str | None:
    """What became of it, in words; None: the seconds were over."""
    if is_done(cell, args):
        return "was finished by another process meanwhile"
    begun = time.monotonic()
    command = [sys.executable, __file__, args.grid, "--cell", cell.name, "--out", args.out]
    if args.work_dir is not None:
        command += ["--work-dir", args.work_dir]
    if args.others:
        command += ["--others", *map(str, args.others)]
    code = run_process(command, seconds)
    if code is None:
        return None
    if code == TAKEN:
        return "another process is at work on it, and it is left to that"
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    words = "done"
    if code != 0:
        words = broke_down(code)
        save(cell, {**NOTHING, "error": words, "broken": True}, args)
    return f"{words} after {duration(time.monotonic() - begun)}"


def run_process(command: list[str], seconds: float | None) -> int | None:
    """Its exit code; None for one that was stopped as its time was over: it saves itself first."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            return process.wait(None if seconds is None else max(0.0, seconds))
        except subprocess.TimeoutExpired:
            process.terminate()
            return 0 if process.wait() == 0 else None
        except KeyboardInterrupt:  # the terminal has sent it to both
            process.wait()
            raise


def broke_down(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (": out of memory?" if name == "SIGKILL" else "")
    return f"broke down with exit code {code}; its traceback is above"


def run_cell(cell: Cell, args: argparse.Namespace) -> None:
    """In a process of its own, which holds the cell's lock: of a caller that is killed it would
    be gone while the cell trains on.
    """
    # by its inputs: a cell of other ones must not go on from these checkpoints
    folder = Path(args.work_dir or WORK_DIR) / f"{cell.name}-{cell.inputs()[:8]}"
    with held(f"{folder}.lock") as ours:
        if not ours:
            sys.exit(TAKEN)
        if not is_done(cell, args):  # nor was it since the caller looked
            measure(cell, folder, args)


def measure(cell: Cell, folder: Path, args: argparse.Namespace) -> None:
    """A collapse that stopped is a result, too; any other mistake is said, and the next call tries
    again.
    """
    result = dict(NOTHING)
    try:
        with signals_noted():  # SIGTERM, also of --minutes: the training saves itself first
            result = measure_cell(cell, folder)
    except HCSCError as error:
        collapsed = "Collapse in epoch" in str(error)
        result |= {"error": error.one_line(), "collapsed": collapsed}
        result |= {} if collapsed else {"broken": True}
    save(cell, result, args)
    if args.work_dir is None and not result.get("broken"):
        shutil.rmtree(folder, ignore_errors=True)


def save(cell: Cell, result: dict, args: argparse.Namespace) -> None:
    facts = {
        "cell": cell.name,
        "inputs": cell.inputs(),
        "start": cell.start(),
        **result,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "commit": commit(),
        "machine": this_machine(),
        "versions": {"hcsc_mm": hcsc_mm.__version__, "torch": torch.__version__},
    }
    write_text(Path(args.out) / f"{cell.name}.json", json.dumps(facts, indent=1) + "\n")


def say_outdated(cells: list[Cell], out: Path) -> None:
    names = [cell.name for cell in cells if is_outdated(cell, out)]
    if names:
        print(
            f"not in the table, as the cell is another one by now: results of {', '.join(names)}; "
            "the grid without --table runs them again",
            file=sys.stderr,
        )


def commit() -> str:
    """Of the code that ran; empty outside of a clone."""
    root = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
