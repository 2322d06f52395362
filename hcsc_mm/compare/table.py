"""All cells as one table, as JSON, and as a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.files import write_text, written_whole
from ..utils.tables import markdown_table, mean_std, shown
from .grid import Grid

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
    says in how many of its seeds, 'scored' is the number of seeds that have scores.
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
    """One table for each data set: kNN, linear, and trees level by level; behind it the grid's
    differences, of the ``results`` of both.
    """
    differences = {
        data: _differences(grid, data, (results or {}).get(data, {})) for data in grid.data
    }
    parts = [f"# {grid.title}", ""]
    for data, entry in grid.data.items():
        columns = _columns(summary.get(data, {}))
        parts += [f"## {data}", "", *([entry.note, ""] if entry.note else [])]
        heads = ["method", "seeds", *(title for title, _ in columns), "seconds", ""]
        rows = [[f"`{m}`", *_row(found, columns)] for m, found in summary.get(data, {}).items()]
        parts += [markdown_table(heads, rows), *differences.get(data, [])]
    return "\n".join(parts)


def _columns(methods: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, score) of what any method of a data set has, in the order of interest."""
    names = {name for found in methods.values() for name in found["scores"]}
    kinds = (("features", "ami"), ("", "dendrogram_purity"), ("own", "ami"), ("flat", "ami"))
    order = ["knn", "linear"]
    for start, end in (*kinds, ("ward", "ami")):
        found = [name for name in names if name.startswith(start) and name.endswith(end)]
        order += sorted(set(found) - set(order), key=_by_number)
    titles = {"knn": "kNN, %", "linear": "linear, %"}
    return [(titles.get(name, name.replace("/", " ")), name) for name in order if name in names]


def _by_number(name: str) -> list[Any]:
    """Level 2 before level 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _differences(grid: Grid, data: str, results: Mapping[str, Any]) -> list[str]:
    """A table of one method minus another, over the seeds that both have scores of."""
    rows = []
    for one, other in grid.differences:
        pairs = _same_seed(results.get(one, ()), results.get(other, ()))
        names = {name for first, second in pairs for name in first.keys() & second.keys()}
        columns = _columns({"": {"scores": names}})
        gains = {
            name: mean_std([first[name] - second[name] for first, second in pairs])
            for _, name in columns
        }
        rows.append((f"`{one}` − `{other}`", len(pairs), gains, columns))
    columns = max((row[3] for row in rows), key=len, default=[])
    if not columns:
        return []
    heads = ["difference, seed by seed", "seeds", *(title for title, _ in columns)]
    lines = [
        [title, str(number), *(_signed(gains.get(name), name) for _, name in columns)]
        for title, number, gains, _ in rows
    ]
    return [markdown_table(heads, lines)]


def _same_seed(ones: Sequence[Mapping], others: Sequence[Mapping]) -> list[tuple[Any, Any]]:
    scores = {cell["cell"].rpartition("-")[2]: cell["scores"] for cell in others if cell["scores"]}
    seeds = [(cell["cell"].rpartition("-")[2], cell["scores"]) for cell in ones if cell["scores"]]
    return [(found, scores[seed]) for seed, found in seeds if seed in scores]


def _signed(value: Mapping[str, Any] | None, name: str) -> str:
    text = shown(value, _digits(name))
    return f"+{text}" if value and value["mean"] > 0 else text


def _digits(name: str) -> int:
    return 1 if name in ("knn", "linear") else 3


def _row(found: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> list[str]:
    some = found["scored"] < found["seeds"]
    cells = [f"{found['scored']} of {found['seeds']}" if some else str(found["seeds"])]
    for _, name in columns:
        cells.append(shown(found["scores"].get(name), _digits(name)))
    cells.append(shown(found["seconds"], 0))
    words = []
    if found["collapsed"]:
        words.append(f"collapsed in {found['collapsed']} of {found['seeds']}")
    if found["failed"]:
        words.append(f"failed: {found['failed'][0]}")
    return [*cells, "; ".join(words) or ("" if found["seeds"] else "not run yet")]


def draw(grid: Grid, summary: Mapping[str, Any], path: str) -> None:
    """kNN and the finest level's AMI of every method, a panel for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = [data for data in grid.data if summary.get(data)]
    figure, panels = pyplot.subplots(
        len(drawn), 2, figsize=(10, 1.2 + 2.2 * len(drawn)), squeeze=False
    )
    for row, data in zip(panels, drawn, strict=True):
        finest = f"features/0_{grid.data[data].num_clusters[0]}/ami"
        for panel, score, title in zip(
            row, ("knn", finest), ("kNN, %", "AMI, finest level"), strict=True
        ):
            shown = [
                (m, f["scores"][score]) for m, f in summary[data].items() if f["scores"].get(score)
            ]
            names = [name for name, _ in shown]
            means, spreads = ([value[k] for _, value in shown] for k in ("mean", "std"))
            panel.barh(names, means, xerr=spreads, color="#4878a8", ecolor="#333333")
            panel.invert_yaxis()
            panel.set_title(f"{data}: {title}", fontsize=9)
            panel.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110, format="png")
    pyplot.close(figure)
