"""What metrics give, as plain values and as tables: numbers, numbers of classes, matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from .tables import markdown_table

Value = float | str | list  # a list holds numbers, or lists of numbers
_WIDEST = 20  # columns of a matrix that is shown
_LONGEST = 8  # numbers of a list that is no list of classes


def plain(metrics: Mapping[str, Any]) -> dict[str, Value]:
    """Numbers as floats, arrays and tensors as (nested) lists of numbers, text as it is; a mapping
    within is taken apart, 'outer/inner'.

    What is none of these is shown as text: no metric may cost the others.
    """
    found: dict[str, Value] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            inner = plain(value)
            found.update({f"{name}/{key}": one for key, one in inner.items()})
        else:
            found[str(name)] = _plain(value)
    return found


def _plain(value: Any) -> Value:
    if isinstance(value, (Tensor, np.ndarray)):
        value = value.tolist()
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def format_value(name: str, value: Value) -> str:
    """Per cents with two digits behind the point, clustering scores with four, whole numbers of a
    list without.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(format_value(name, one) for one in value)}]"
    return f"{value:.4f}" if name.startswith(("clustering/", "hierarchy/")) else f"{value:.2f}"


def is_of_classes(value: Value, classes: Sequence[str]) -> bool:
    """Whether it has a number for each class."""
    return (
        isinstance(value, list)
        and len(value) == len(classes) > 0
        and not any(isinstance(one, list) for one in value)
    )


def is_matrix(value: Value) -> bool:
    """Whether it is a list of equally long lists of numbers."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(row, list) and len(row) == len(value[0]) > 0 for row in value)
        and not any(isinstance(one, list) for row in value for one in row)
    )


def short(name: str, value: Value) -> str:
    """A value for a line: long lists and matrices by their size."""
    if is_matrix(value):
        return f"{len(value)} × {len(value[0])} numbers"
    if isinstance(value, list) and len(value) > _LONGEST:
        return f"{len(value)} numbers"
    return format_value(name, value)


def show(values: Mapping[str, Value], classes: Sequence[str] | None) -> str:
    """Metrics for people: a line for each, and below them :func:`tables`."""
    width = max(map(len, values), default=0)
    lines = [
        f"{name:{width}}  {f'{value:.4f}' if isinstance(value, float) else short(name, value)}"
        for name, value in values.items()
    ]
    below = tables(values, classes)
    return "\n".join([*lines, *(["", below.rstrip()] if below else [])])


def tables(metrics: Mapping[str, Value], classes: Sequence[str] | None) -> str:
    """Markdown tables of what metrics say of each class, and of matrices; empty without any.

    Args:
        metrics: Values that :func:`plain` gave, by name.
        classes: Names; without them, or for matrices of another size, the numbers of rows are
            shown.
    """
    classes = list(classes or ())
    parts = []
    columns = {name: value for name, value in metrics.items() if is_of_classes(value, classes)}
    if columns:
        rows = [
            [_name(classes[row]), *(_cell(name, value[row]) for name, value in columns.items())]
            for row in range(len(classes))
        ]
        parts.append(markdown_table(["class", *columns], rows))
    for name, matrix in metrics.items():
        if is_matrix(matrix) and len(matrix[0]) <= _WIDEST:
            named = len(matrix) == len(matrix[0]) == len(classes)
            names = [_name(one) for one in classes] if named else None
            head = names or [str(column) for column in range(len(matrix[0]))]
            rows = [
                [names[row] if names else str(row), *(_cell(name, one) for one in values)]
                for row, values in enumerate(matrix)
            ]
            parts.append(markdown_table([name, *head], rows))
    return "\n".join(parts)


def _cell(name: str, value: Value) -> str:
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and value < 1e15:
        return str(int(value))
    return format_value(name, value)


def _name(text: str) -> str:
    return "".join(char if char.isprintable() and char != "|" else "?" for char in text)
