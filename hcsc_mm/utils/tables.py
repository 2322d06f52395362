"""Markdown tables that also read well on a console, and numbers of several seeds in them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def mean_std(values: Sequence[float]) -> dict[str, Any] | None:
    """'mean', 'std' (of the sample; 0 for a single value) and the 'values'; None of no values."""
    if not values:
        return None
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "std": spread, "values": list(values)}


def shown(value: Mapping[str, Any] | None, digits: int) -> str:
    """'98.3', of several values '98.3 ± 0.4', of none a dash.

    Args:
        value: What :func:`mean_std` gave.
        digits: Behind the point.
    """
    if not value:
        return "–"
    spread = f" ± {value['std']:.{digits}f}" if len(value["values"]) > 1 else ""
    return f"{value['mean']:.{digits}f}{spread}"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are as wide as their widest cell, with a line break at its end."""
    # Markdown wants a rule of three dashes under an empty head, too
    widths = [max(3, *map(len, column)) for column in zip(heads, *rows, strict=True)]
    ruled = ["-" * width for width in widths]
    return "".join(
        f"| {' | '.join(f'{cell:<{width}}' for cell, width in zip(cells, widths, strict=True))} |\n"
        for cells in (heads, ruled, *rows)
    )
