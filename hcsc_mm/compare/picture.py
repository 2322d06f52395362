"""All methods beside each other as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..utils.tables import shown
from .grid import Grid

_INK, _PALE = "#4878a8", "#a9c0d6"


def draw(grid: Grid, summary: Mapping[str, Any], path: str) -> None:
    """kNN and the finest level's AMI of every method; a row of panels for each data set that has
    scores.

    Args:
        grid: What is compared.
        summary: What ``summarise`` gave.
        path: PNG to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = [data for data in grid.data if _has_scores(summary.get(data, {}))]
    heights = [1.0 + 0.24 * len(summary[data]) for data in drawn] or [1.0]
    figure, panels = pyplot.subplots(
        len(heights),
        2,
        figsize=(10, sum(heights)),
        squeeze=False,
        sharey="row",
        layout="constrained",
        height_ratios=heights,
    )
    if not drawn:
        figure.suptitle(f"{grid.title}: no cell has been run yet", fontsize=10)
        for panel in panels.flat:
            panel.set_axis_off()
    for row, data in zip(panels, drawn, strict=False):
        number = grid.data[data].num_clusters[0]
        _panel(row[0], summary[data], "knn", f"{data}: kNN, %", 1)
        title = f"{data}: AMI of {number} clusters"
        _panel(row[1], summary[data], f"features/0_{number}/ami", title, 3)
    figure.savefig(path, dpi=110, format="png")
    pyplot.close(figure)


def _has_scores(methods: Mapping[str, Any]) -> bool:
    return any(found["scores"] for found in methods.values())


def _panel(panel: Any, methods: Mapping[str, Any], score: str, title: str, digits: int) -> None:
    """A line for each method: its seeds, their mean and deviation, and these as numbers."""
    for place, found in enumerate(methods.values()):
        value = found["scores"].get(score)
        if value:
            _dots(panel, place, value)
        words = shown(value, digits) if value else _why_not(found)
        right = panel.get_yaxis_transform()  # across: parts of the panel; down: methods
        panel.text(1.02, place, words, transform=right, va="center", fontsize=8)
    panel.set_yticks(range(len(methods)), list(methods))
    panel.set_ylim(len(methods) - 0.4, -0.6)
    panel.set_title(title, fontsize=9)
    panel.tick_params(labelsize=8)
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)


def _dots(panel: Any, place: int, value: Mapping[str, Any]) -> None:
    values: Sequence[float] = value["values"]
    panel.plot(values, [place] * len(values), "o", color=_PALE, markersize=5)
    panel.errorbar(
        value["mean"], place, xerr=value["std"], fmt="o", color=_INK, markersize=7, linewidth=2
    )


def _why_not(found: Mapping[str, Any]) -> str:
    if found["collapsed"]:
        return "collapsed"
    return "failed" if found["failed"] else "not run yet" if not found["seeds"] else "–"
