"""Speed and memory against yardsticks measured in the same run.

    make bench                               the small table: under ten minutes on two cores
    make bench ARGS="--only head epoch"      some of it
    make bench ARGS="--scale large"          ImageNet's sizes, on a GPU if there is one
    make bench ARGS="--only step --scale tiny"   what is measured on request, and whether it runs

Prints a table of medians with the smallest and largest ratio of the repeats, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# Before torchvision, which it makes importable beside a torch of another build
import hcsc_mm  # noqa: I001

import torch
from measure import Row
from rich.console import Console
from rich.table import Table

from hcsc_mm.utils.machine import processor

BENCHMARKS = ("head", "clustering", "epoch", "input", "stores", "precision")
# for a GPU (docs/gpu_day.md), and a network of timm on a CPU
ON_REQUEST = ("step", "million", "augmentation", "frozen")
WITHOUT_TINY = ("clustering",)  # whose K are ImageNet's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*BENCHMARKS, *ON_REQUEST),
        default=BENCHMARKS,
        help=f"which benchmarks; by default {', '.join(BENCHMARKS)}",
    )
    parser.add_argument(
        "--scale",
        choices=("tiny", "small", "large"),
        default="small",
        help="sizes for two cores, or for a GPU; tiny: to see whether it runs",
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="turns; medians and the range over them are told"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--photographs", help="folder of photographs for 'input'; by default they are generated"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks.json"), help="where the table goes as JSON"
    )
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f"--repeats {args.repeats} must be at least 1")
    if args.scale == "tiny" and (large := set(args.only) & set(WITHOUT_TINY)):
        parser.error(f"--scale tiny: {min(large)} has no tiny sizes; leave it out of --only")
    if args.photographs and not Path(args.photographs).is_dir():
        parser.error(f"--photographs {args.photographs}: there is no such folder")
    if not os.access(args.out.parent, os.W_OK):
        parser.error(
            f"--out {args.out}: {args.out.parent.resolve()} is not a folder that can be written to"
        )
    rows: list[Row] = []
    console = Console(stderr=True)
    for name in args.only:
        start = time.perf_counter()
        with console.status(f"measuring: {name}"):
            options = {"photographs": args.photographs} if name == "input" else {}
            rows += importlib.import_module(f"bench_{name}").rows(
                args.scale, args.repeats, args.device, **options
            )
        console.print(f"{name}: {time.perf_counter() - start:.0f} s")
        write(args.out, rows, args)
    Console(width=None if sys.stdout.isatty() else 160).print(table(rows))


def table(rows: list[Row]) -> Table:
    """Medians, ratios, goals."""
    shown = Table(
        "measured (A : B is the ratio A / B)", "ours", "yardstick", "ratio", "range", "goal", ""
    )
    for row in rows:
        bound = "" if row.goal is None else f"{'≤' if row.at_most else '≥'} {row.goal:g}"
        verdict = {True: "met", False: "MISSED", None: ""}[row.met]
        yardstick = "" if row.yardstick is None else f"{row.yardstick:.4g} {row.unit}"
        shown.add_row(
            row.name,
            f"{row.measured:.4g} {row.unit}",
            yardstick,
            f"{row.ratio:.3g}",
            f"{row.low:.3g} – {row.high:.3g}",
            bound,
            verdict,
        )
    return shown


def write(path: Path, rows: list[Row], args: argparse.Namespace) -> None:
    """All numbers, and what they were measured with."""
    facts = {
        "hcsc_mm": hcsc_mm.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if args.device.startswith("cuda") else processor(),
        "threads": torch.get_num_threads(),
        "scale": args.scale,
        "repeats": args.repeats,
    }
    path.write_text(
        json.dumps(
            {"machine": facts, "rows": [row.as_dict() for row in rows]},
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
