"""All cells as one table, as JSON, and as a picture."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..utils.files import write_text, written_whole
from ..utils.tables import markdown_table, mean_std, shown
from .grid import Grid
from .picture import draw

Results = Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]  # data → method → one per seed


def save_comparison(grid: Grid, results: Results, folder: Path, picture: bool = True) -> str:
    """Write comparison.md, comparison.json and comparison.png; returns the Markdown."""
    summary = summarise(grid, results)
    text = markdown(grid, summary, results)
    write_text(folder / "comparison.json", json.dumps(summary, indent=1) + "\n")
    write_text(folder / "comparison.md", text)
    if picture:
        with written_whole(folder / "comparison.png") as aside:
            draw(grid, summary, aside)
    return text


def summarise(grid: Grid, results: Results) -> dict[str, Any]:
    """Means, standard deviations and single values of every score, by data and method.

    No cell of the grid is left out: a method without results has 'seeds' = 0, one that collapsed
    says in how many of its seeds, 'scored' is the number of seeds that have scores, and their
    'seconds' are shown by their median.
    """
    summary: dict[str, Any] = {}
    for data in grid.data:
        for method in grid.methods:
            if grid.has(data, method):
                cells = list(results.get(data, {}).get(method, ()))
                summary.setdefault(data, {})[method] = _summary_of(cells)
    return summary


def _summary_of(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scored = [cell for cell in cells if cell["scores"]]
    names = sorted({name for cell in scored for name in cell["scores"]})
    return {
        "seeds": len(cells),
        "scored": len(scored),
        "collapsed": sum(bool(cell["collapsed"]) for cell in cells),
        "failed": [cell["error"] for cell in cells if cell.get("error")],
        "seconds": mean_std([cell["seconds"] for cell in scored]),
        "scores": {
            name: mean_std([cell["scores"][name] for cell in scored if name in cell["scores"]])
            for name in names
        },
    }


def markdown(grid: Grid, summary: Mapping[str, Any], results: Results | None = None) -> str:
    """The grid's tables, data set after data set, and in one line those that have not been run.

    A data set has a table of every method; behind it the grid's differences, of the ``results`` of
    both; the methods' own clusters; and the yardsticks.
    """
    parts, missing = [f"# {grid.title}", ""], []
    for data, entry in grid.data.items():
        methods = summary.get(data, {})
        if not any(found["seeds"] for found in methods.values()):
            missing.append(data)
            continue
        parts += [f"## {data}", "", *([entry.note, ""] if entry.note else [])]
        columns = _columns(methods, _FEATURES)
        heads = ["method", "seeds", *(title for title, _ in columns), "seconds", ""]
        rows = [[f"`{m}`", *_row(found, columns)] for m, found in methods.items()]
        parts += [markdown_table(heads, rows)]
        parts += _differences(grid, data, (results or {}).get(data, {}))
        for words, groups in _FURTHER:
            parts += _further(methods, words, groups)
    if missing:
        parts += [f"Not run yet: {', '.join(missing)}.", ""]
    return "\n".join(parts)


# Names of scores begin like this: what stands in one table, column after column.
_FEATURES = ("knn", "linear", "features/")
_FURTHER = (
    ('The same tree with `seeding="ward"`:', ("from_ward/",)),
    ("The method's own clusters, of its last clustering:", ("own/",)),
    ("Yardsticks, on the same features:", ("flat/", "ward/")),
    ("Features of two views of about a thousand training images:", ("similarity/",)),
)
_SIMILARITIES = {
    "alignment": "alignment",
    "uniformity": "uniformity",
    "tolerance": "tolerance",
    "hard_share_t0.07": "hard share, τ = 0.07",
    "hard_share_t0.2": "τ = 0.2",
    "hard_share_t0.5": "τ = 0.5",
}
_SCORE = re.compile(
    r"(?:\d+_)?(?P<number>\d+)?/?(?P<coarse>coarse/)?(?P<what>ami|dendrogram_purity)"
)


def _columns(methods: Mapping[str, Any], groups: Sequence[str]) -> list[tuple[str, str]]:
    """(title, score) of what any method of a data set has, in the order of interest."""
    names = {name for found in methods.values() for name in found["scores"]}
    columns = []
    for group in groups:
        found = {name: _title(name, group) for name in names if name.startswith(group)}
        ordered = sorted(filter(found.get, found), key=_by_interest)
        columns += [(found[name], name) for name in ordered]
    return columns


def _title(name: str, group: str) -> str | None:
    """'AMI, 60 clusters' of 'features/0_60/ami'; None of what no table shows."""
    if name in ("knn", "linear"):
        return {"knn": "kNN, %", "linear": "linear, %"}[name]
    if group == "similarity/":
        return _SIMILARITIES.get(name.removeprefix(group))
    score = _SCORE.fullmatch(name.removeprefix(group))
    if score is None:
        return None
    kind = {"flat/": "flat ", "ward/": "Ward "}.get(group, "")
    kind += "coarse " if score["coarse"] else ""
    if score["what"] == "ami":
        return f"{kind}AMI, {score['number']} clusters"
    return f"{kind}dendrogram purity"


def _by_interest(name: str) -> tuple[bool, bool, int]:
    """Classes before coarse ones, AMI before purity, finer levels before coarser; the similarities'
    in the order of their titles.
    """
    similarity = name.removeprefix("similarity/")
    if similarity in _SIMILARITIES:
        return False, False, list(_SIMILARITIES).index(similarity)
    found = re.search(r"/(?:\d+_)?(\d+)/", name)  # its number of clusters
    return "/coarse/" in name, "purity" in name, -int(found[1]) if found else 0


def _further(methods: Mapping[str, Any], words: str, groups: Sequence[str]) -> list[str]:
    """A table of the methods that have any of these scores, under a line of words."""
    columns: dict[str, list[str]] = {}
    for title, name in _columns(methods, groups):  # of one title: as many clusters, another level
        columns.setdefault(title, []).append(name)
    rows = []
    for method, found in methods.items():
        values = [
            next((found["scores"][name] for name in names if name in found["scores"]), None)
            for names in columns.values()
        ]
        if any(values):
            rows.append([f"`{method}`", *(shown(value, 3) for value in values)])
    return [words, "", markdown_table(["method", *columns], rows)] if rows else []


def gains(results: Mapping[str, Any], one: str, other: str) -> dict[str, dict[str, Any]]:
    """Score → 'mean', 'std' and 'values' of one method minus another, seed by seed.

    Args:
        results: Of one data set: method → a result for each seed.
        one, other: The methods; seeds that only one of them has are left out.
    """
    pairs = _same_seed(results.get(one, ()), results.get(other, ()))
    names = {name for first, second in pairs for name in first.keys() & second.keys()}
    found = {}
    for name in names:
        both = [pair for pair in pairs if name in pair[0] and name in pair[1]]
        found[name] = mean_std([first[name] - second[name] for first, second in both])
    return found


def is_supported(gain: Mapping[str, Any]) -> bool:
    """Whether the 95 % confidence interval of a mean over seeds (Student's t) leaves out 0."""
    number = len(gain["values"])
    if number < 2:
        return False
    from scipy.stats import t  # here: it takes most of a second

    reach = t.ppf(0.975, number - 1) * gain["std"] / math.sqrt(number)
    return abs(gain["mean"]) > reach


def shown_gain(gain: Mapping[str, Any] | None, name: str) -> str:
    """'+1.7 ± 1.2'; in bold if the seeds support it.

    Args:
        gain: One of those of :func:`gains`.
        name: Of the score.
    """
    text = shown(gain, _digits(name))
    text = f"+{text}" if gain and gain["mean"] > 0 else text.replace("-", "−")
    return f"**{text}**" if gain and is_supported(gain) else text


def _differences(grid: Grid, data: str, results: Mapping[str, Any]) -> list[str]:
    """A table of one method minus another, over the seeds that both have scores of."""
    pairs = [pair for pair in grid.differences if all(grid.has(data, one) for one in pair)]
    found = {pair: gains(results, *pair) for pair in pairs}
    columns = _columns({str(pair): {"scores": one} for pair, one in found.items()}, _FEATURES)
    if not columns:
        return []
    heads = ["difference, seed by seed", "seeds", *(title for title, _ in columns)]
    rows = [
        [
            f"`{one}` − `{other}`",
            str(max((len(gain["values"]) for gain in of.values()), default=0)),
            *(shown_gain(of.get(name), name) for _, name in columns),
        ]
        for (one, other), of in found.items()
    ]
    return [markdown_table(heads, rows), *_of_several_machines(results)]


def _of_several_machines(results: Mapping[str, Sequence[Mapping]]) -> list[str]:
    """A line where cells of several machines are compared."""
    cells = [cell for found in results.values() for cell in found if cell["scores"]]
    machines = {cell.get("machine", "unknown") for cell in cells}
    if len(machines) < 2:
        return []
    listed = "; ".join(sorted(machines))
    return [f"Run on several machines ({listed}): between two of them a seed is not the same.", ""]


def _same_seed(ones: Sequence[Mapping], others: Sequence[Mapping]) -> list[tuple[Any, Any]]:
    scores = {cell["cell"].rpartition("-")[2]: cell["scores"] for cell in others if cell["scores"]}
    seeds = [(cell["cell"].rpartition("-")[2], cell["scores"]) for cell in ones if cell["scores"]]
    return [(found, scores[seed]) for seed, found in seeds if seed in scores]


def _digits(name: str) -> int:
    return 1 if name in ("knn", "linear") else 3


def _row(found: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> list[str]:
    some = found["scored"] < found["seeds"]
    cells = [f"{found['scored']} of {found['seeds']}" if some else str(found["seeds"])]
    for _, name in columns:
        cells.append(shown(found["scores"].get(name), _digits(name)))
    # a run that was paused, or beside a busy one, says little about the others
    times = found["seconds"]
    cells.append("–" if times is None else f"{median(times['values']):.0f}")
    words = []
    if found["collapsed"]:
        words.append(f"collapsed in {found['collapsed']} of {found['seeds']}")
    if found["failed"]:
        words.append(f"failed: {found['failed'][0]}")
    return [*cells, "; ".join(words) or ("" if found["seeds"] else "not run yet")]
