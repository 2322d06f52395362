"""All cells as one table, as JSON, and as a picture."""

from __future__ import annotations

import json
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
    text = markdown(grid, summary)
    write_text(folder / "comparison.json", json.dumps(summary, indent=1) + "\n")
    write_text(folder / "comparison.md", text)
    if picture:
        with written_whole(folder / "comparison.png") as aside:
            draw(grid, summary, aside)
    return text


def summarise(grid: Grid, results: Results) -> dict[str, Any]:
    """Means, standard deviations and single values of every score, by data and method.

    No cell is left out: a method without results has 'seeds' = 0, one that collapsed says in how
    many of its seeds.
    """
    summary: dict[str, Any] = {}
    for data in grid.data:
        for method in grid.methods:
            cells = list(results.get(data, {}).get(method, ()))
            names = sorted({name for cell in cells for name in cell["scores"]})
            summary.setdefault(data, {})[method] = {
                "seeds": len(cells),
                "collapsed": sum(bool(cell["collapsed"]) for cell in cells),
                "failed": [cell["error"] for cell in cells if cell.get("error")],
                "seconds": mean_std([cell["seconds"] for cell in cells]),
                "scores": {
                    name: mean_std([c["scores"][name] for c in cells if name in c["scores"]])
                    for name in names
                },
            }
    return summary


def markdown(grid: Grid, summary: Mapping[str, Any]) -> str:
    """One table for each data set: kNN, linear, and trees level by level."""
    parts = [f"# {grid.title}", ""]
    for data, entry in grid.data.items():
        columns = _columns(summary[data])
        parts += [f"## {data}", "", *([entry.note, ""] if entry.note else [])]
        heads = ["method", "seeds", *(title for title, _ in columns), "seconds", ""]
        rows = [[f"`{m}`", *_row(found, columns)] for m, found in summary[data].items()]
        parts.append(markdown_table(heads, rows))
    return "\n".join(parts)


def _columns(methods: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, score) of what any method of a data set has, in the order of interest."""
    names = {name for found in methods.values() for name in found["scores"]}
    order = ["knn", "linear"]
    order += sorted(name for name in names if name.endswith("ami") and name.startswith("features"))
    order += sorted(name for name in names if name.endswith("dendrogram_purity"))
    order += sorted(name for name in names if name.endswith("ami") and name.startswith("own"))
    order += sorted(name for name in names if name.startswith(("flat", "ward")) and "ami" in name)
    titles = {"knn": "kNN, %", "linear": "linear, %"}
    return [(titles.get(name, name.replace("/", " ")), name) for name in order if name in names]


def _row(found: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> list[str]:
    cells = [str(found["seeds"])]
    for _, name in columns:
        cells.append(shown(found["scores"].get(name), 1 if name in ("knn", "linear") else 3))
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

    figure, panels = pyplot.subplots(
        len(grid.data), 2, figsize=(10, 1.2 + 2.2 * len(grid.data)), squeeze=False
    )
    for row, data in zip(panels, grid.data, strict=True):
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
