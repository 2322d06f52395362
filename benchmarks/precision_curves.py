"""How far losses are from float32's, over some runs of each way: the second table of
docs/precision.md, printed by ``bench_precision.py --curves``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

HEAD = (
    "| | runs | largest difference of a loss, first fifth | of all | mean difference | mean loss "
    "of the last tenth | the same, less float32's |\n|---|---|---|---|---|---|---|"
)
Curves = dict[str, list[float]]


def print_curves(
    file: str, settings: dict, ways: Sequence[str], seeds: int, run: Callable[[str, int], list]
) -> None:
    """Each way beside float32 with the same draws of images and crops, float32 first.

    Rounding grows with the steps: the first fifth shows its size, the rest where it led. Last is a
    mean of losses: a way that shakes more is not one that learns less. The yardstick is float32
    beside float32 with other draws, all pairs of runs.

    Args:
        file: gets all losses after each run. Runs that are in it already are not made again.
        settings: what the losses depend on beside way and draws; a file with others is refused.
        ways: names of ways, in the order of the rows.
        seeds: runs of each way, which differ in their draws.
        run: the losses of a way and a seed.
    """
    curves = _read(file, settings)
    print(HEAD)
    for way in ["float32", *(way for way in ways if way != "float32")]:
        for seed in range(seeds):
            if name_of(way, seed) not in curves:
                curves[name_of(way, seed)] = run(way, seed)
                Path(file).write_text(json.dumps({"settings": settings, "losses": curves}))
        print(row_of(way, curves, seeds), flush=True)
        if way == "float32" and seeds > 1:
            print(row_of_other_draws(curves, seeds), flush=True)


def name_of(way: str, seed: int) -> str:
    """Of a run, in the file."""
    return f"{way}, draws {seed}"


def _read(file: str, settings: dict) -> Curves:
    """The runs that are there; none if there is no file."""
    if not Path(file).exists():
        return {}
    there = json.loads(Path(file).read_text())
    if there["settings"] != settings:
        raise SystemExit(f"error: {file} has runs of {there['settings']}; name another file")
    return there["losses"]


def row_of(way: str, curves: Curves, seeds: int) -> str:
    """A way beside float32 with the same draws."""
    pairs = [(curves[name_of(way, s)], curves[name_of("float32", s)]) for s in range(seeds)]
    return _row(way, f"{seeds}", pairs)


def row_of_other_draws(curves: Curves, seeds: int) -> str:
    """float32 beside float32 with other draws: all pairs, which are not independent, and none of
    whose sides comes first. How much the last losses differ, float32's own row says.
    """
    plain = [curves[name_of("float32", seed)] for seed in range(seeds)]
    pairs = list(combinations(plain, 2))
    count = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    row = _row("float32, other draws", count, pairs)
    return " | ".join(row.split(" | ")[:-2]) + " | | |"


def _row(name: str, runs: str, pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> str:
    curves, plain = (torch.tensor(side, dtype=torch.float64) for side in zip(*pairs, strict=True))
    apart = (curves - plain).abs()  # (runs, steps)
    fifth, tenth = (max(1, curves.shape[1] // part) for part in (5, 10))
    last, plain_last = curves[:, -tenth:].mean(1), plain[:, -tenth:].mean(1)  # (runs,)
    return (
        f"| {name} | {runs} | {apart[:, :fifth].max():.2g} | {apart.max():.2g} | "
        f"{spread(apart.mean(1), '.2f')} | {spread(last, '.2f')} | "
        f"{spread(last - plain_last, '+.2f')} |"
    )


def spread(values: Tensor, form: str) -> str:
    """Mean ± standard deviation over runs; of one run its value."""
    mean = format(values.mean().item(), form)
    return f"{mean} ± {values.std().item():.2f}" if len(values) > 1 else mean
