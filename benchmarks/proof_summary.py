"""The proof in short: one table for the README's first screen, one of the neighbours for
docs/methods.md, and one of what HCSC is ahead of its peers or behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hcsc_mm.compare import Grid
from hcsc_mm.compare.table import Results, gains, is_supported, shown_gain
from hcsc_mm.errors import HCSCError
from hcsc_mm.utils.files import write_text
from hcsc_mm.utils.tables import markdown_table, mean_std, shown

Gain = Mapping[str, Any]  # of compare.table.gains, for one score

BEGIN, END = "<!-- what it gives: python benchmarks/proof.py --readme -->", "<!-- end -->"
BEGIN_ROWS = "<!-- rows of results: python benchmarks/proof.py --readme -->"
METHODS = {
    "start": "start",
    "mocov2": "MoCo v2",
    "pclv2": "PCL v2",
    "swav": "SwAV",
    "hcsc_released": "HCSC, released",
    "hcsc_paper": "HCSC, paper",
}
DATA = {
    "digits": "digits",
    "omniglot": "Omniglot",
    "fashion": "Fashion-MNIST",
    "coins": "coins",
    "coins_lite0": "coins, from ImageNet",
    "grocery": "groceries",
    "grocery_lite0": "groceries, from ImageNet",
}
# The tree's level that has as many clusters as there are classes.
CLASSES = {"digits": 10, "omniglot": 964, "fashion": 10, "coins": 8, "grocery": 81}


def readme_block(grid: Grid, results: Results) -> str:
    """What the README has between its markers: data × method, in at most 20 lines."""
    run = [data for data in grid.data if any(results.get(data, {}).values())]
    rows = [
        [
            DATA.get(data, data),
            *(
                _both(results[data].get(method, ()), level_of_classes(grid, data))
                for method in METHODS
            ),
        ]
        for data in run
    ]
    if not rows:
        return "\n".join([BEGIN, "## What it gives", "", "Nothing has been run yet.", END])
    lines = [BEGIN, "## What it gives", "", *_README.strip().splitlines(), ""]
    table = markdown_table(["", *METHODS.values()], rows)
    return "\n".join([*lines, table, _verdict(_gains(grid, results)), END])


_README = """
kNN accuracy on held-out images (%) · agreement of the tree, at the level with as many clusters as
there are classes, with these (adjusted mutual information; 1: the same). Mean ± standard deviation
(seeds); no labels are used in training. The whole: [docs/results.md](docs/results.md).
"""


def methods_block(grid: Grid, results: Results) -> str:
    """What docs/methods.md has between its markers: method × data."""
    rows = [
        [
            f"`{method}`",
            *(
                _both(results.get(data, {}).get(method, ()), level_of_classes(grid, data))
                for data in grid.data
            ),
        ]
        for method in grid.methods
    ]
    heads = ["row", *(DATA.get(data, data) for data in grid.data)]
    return f"{BEGIN_ROWS}\n{markdown_table(heads, rows)}{END}"


def level_of_classes(grid: Grid, data: str) -> str:
    """The AMI of that level, as a score's name."""
    numbers, wanted = grid.data[data].num_clusters, CLASSES[data.removesuffix("_lite0")]
    return f"features/{numbers.index(wanted)}_{wanted}/ami"


def _both(cells: Sequence[Mapping[str, Any]], ami: str) -> str:
    """'96.8 ± 1.4 · 0.80 ± 0.01 (2)'; words where there are no scores."""
    scored = [cell["scores"] for cell in cells if cell["scores"]]
    collapsed = sum(bool(cell["collapsed"]) for cell in cells)
    if not scored:
        return "–" if not cells else "collapsed" if collapsed else "failed"
    knn, tree = (mean_std([scores[name] for scores in scored]) for name in ("knn", ami))
    words = f"{len(scored)}" if len(scored) == len(cells) else f"{len(scored)} of {len(cells)}"
    words += f", {collapsed} collapsed" if collapsed else ""
    return f"{shown(knn, 1)} · {shown(tree, 2)} ({words})"


def write_block(block: str, path: Path) -> None:
    """Put a block, of which the first line and the last are markers, in the place of the one that
    is there.

    Raises:
        HCSCError: the file has no two lines of such markers.
    """
    text, begin = path.read_text(encoding="utf-8"), block.partition("\n")[0]
    head, found, rest = text.partition(begin)
    if not found or begin in rest or END not in rest:
        raise HCSCError(f"{path} must have the line {begin!r} once, and {END!r} after it")
    write_text(path, head + block + rest.partition(END)[2])


def against_peers(grid: Grid, results: Results) -> list[str]:
    """Lines: a table for each measure with HCSC minus its peers, and what the seeds support."""
    lines, found = [f"# {_TITLE}", "", *_AGAINST.strip().splitlines()], _gains(grid, results)
    heads = [f"{METHODS[one]} − {METHODS[other]}" for one, other in _against(grid)]
    for measure in _MEASURES:
        rows = [
            [DATA.get(data, data), *(_counted(gain, _score(grid, data, measure)) for gain in row)]
            for data in grid.data
            if any(row := found[measure, data])
        ]
        if rows:
            lines += ["", markdown_table([measure, *heads], rows).rstrip()]
    return [*lines, "", _verdict(found), ""]


_TITLE = "HCSC against MoCo v2 and PCL v2"
_AGAINST = """
One minus the other with the same seed and an equal budget: mean ± standard deviation over (seeds).
**In bold**: the 95 % confidence interval of the mean (Student's t) leaves out 0. Of twenty
differences that are none, one is bold by chance.
"""
_MEASURES = {
    "kNN, %": "knn",
    "AMI at as many clusters as classes": None,
    "dendrogram purity": "features/dendrogram_purity",
}


def _against(grid: Grid) -> list[tuple[str, str]]:
    """HCSC and a method of another name, of each such difference of the grid."""
    return [pair for pair in grid.differences if not pair[1].startswith("hcsc")]


def _gains(grid: Grid, results: Results) -> dict[tuple[str, str], list[Gain | None]]:
    """By measure and data: of each pair of methods; None where one has not been run."""
    return {
        (measure, data): [
            gains(results.get(data, {}), *pair).get(_score(grid, data, measure))
            for pair in _against(grid)
        ]
        for measure in _MEASURES
        for data in grid.data
    }


def _score(grid: Grid, data: str, measure: str) -> str:
    return _MEASURES[measure] or level_of_classes(grid, data)


def _counted(gain: Gain | None, name: str) -> str:
    return f"{shown_gain(gain, name)} ({len(gain['values'])})" if gain else "–"


def _verdict(by_measure_and_data: Mapping[tuple[str, str], Sequence[Gain | None]]) -> str:
    """What the tables support, in a sentence."""
    all_gains = [gain for row in by_measure_and_data.values() for gain in row if gain]
    if not all_gains:
        return "Nothing has been run yet of both."
    supported = [gain["mean"] for gain in all_gains if is_supported(gain)]
    above = sum(mean > 0 for mean in supported)
    single = sum(len(gain["values"]) == 1 for gain in all_gains)
    words = f", {single} of them for want of a second seed" if single else ""
    return (
        f"Of {len(all_gains)} differences from MoCo v2 and PCL v2 (kNN, AMI, dendrogram purity) "
        f"the seeds\nsupport {above} as a gain of HCSC and {len(supported) - above} as a loss; "
        f"{len(all_gains) - len(supported)} stay open{words}."
    )
