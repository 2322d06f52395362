"""hierarchy.json: what each node of the tree holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import PrototypeHierarchy
from .columns import Columns

ROOT = "root"
_ROWS = 16  # of each kind that a node names
_LABELS = 20
_SIBLINGS = 8


def node_id(level: int, prototype: int) -> str:
    """'l0-17' for prototype 17 of level 0."""
    return f"l{level}-{prototype}"


@dataclass(frozen=True)
class Labels:
    """Labels of the n images that can be read.

    Attributes:
        names: Names of the classes, by label.
        of_image: (n,) int, place among the names; -1 for an image without a label.
    """

    names: tuple[str, ...]
    of_image: NDArray


def describe_tree(
    hierarchy: PrototypeHierarchy,
    columns: Columns,
    embedding: Iterable[NDArray],
    rows: NDArray,
    num_images: int,
    labels: Labels | None,
) -> dict[str, Any]:
    """The content of hierarchy.json, see docs/tree.md.

    Args:
        hierarchy: The tree to describe.
        columns: Columns of the n images that can be read, by name.
        embedding: Pieces of the (n, D) unit-length embeddings, in order.
        rows: (n,) row of each image in the tables.
        num_images: N, rows of the tables.
        labels: Where there are.
    """
    counts = [
        np.bincount(column, minlength=number)
        for column, number in zip(columns.prototypes, hierarchy.num_prototypes, strict=True)
    ]
    sums = _sums(hierarchy, columns.prototypes[0], embedding)
    levels = hierarchy.num_levels
    parents = [parent.cpu().numpy() for parent in hierarchy.parents]
    parents.append(np.zeros(len(counts[-1]), np.int64))
    nodes: list[dict[str, Any]] = []
    shown: list[list[NDArray]] = []  # representatives of the level below
    for level in range(levels + 1):
        is_root = level == levels
        column = np.zeros_like(columns.prototypes[0]) if is_root else columns.prototypes[level]
        number = np.array([len(column)]) if is_root else counts[level]
        length = np.linalg.norm(sums[level], axis=1)
        families = [np.empty(0, np.int64)] * len(number)
        if level > 0:
            families = [np.flatnonzero(parents[level - 1] == one) for one in range(len(number))]
            nearest = [_in_turn([shown[c] for c in _by_size(f, counts, level)]) for f in families]
        else:
            nearest = _first(column, columns.distances[0], number)
        farthest = _first(column, -columns.distances[min(level, levels - 1)], number)
        edges = _first(column, columns.margins[min(level, levels - 1)], number)
        named = _count_labels(column, number, labels)
        siblings = [[]] if is_root else _siblings(hierarchy, level, parents[level], counts[level])
        for one, count in enumerate(number.tolist()):
            nodes.append(
                {
                    "id": ROOT if is_root else node_id(level, one),
                    "level": level,
                    "index": one,
                    "parent": None
                    if is_root
                    else ROOT
                    if level == levels - 1
                    else node_id(level + 1, int(parents[level][one])),
                    "children": [node_id(level - 1, int(child)) for child in families[one]],
                    "count": count,
                    "share": count / len(column),
                    # Σ x·m / n for the mean direction m = Σx / |Σx|
                    "compactness": float(length[one] / count) if count else None,
                    **named[one],
                    "siblings": siblings[one],
                    "representatives": rows[nearest[one]].tolist(),
                    "edges": rows[edges[one]].tolist(),
                    "outliers": rows[farthest[one]].tolist(),
                }
            )
        shown = nearest
    return {
        "version": 1,
        "levels": levels,
        "num_images": num_images,
        "num_unreadable": num_images - len(rows),
        "root": nodes.pop(),
        "nodes": nodes,
    }


def _sums(
    hierarchy: PrototypeHierarchy, leaf: NDArray, embedding: Iterable[NDArray]
) -> list[NDArray]:
    """(K_l, D) float64 sum of the members' embeddings, per level and for the root."""
    prototypes = hierarchy.prototypes
    sums = [np.zeros((hierarchy.num_prototypes[0], prototypes[0].shape[1]))]
    start = 0
    for piece in embedding:
        _add_rows(sums[0], leaf[start : start + len(piece)], piece)
        start += len(piece)
    for level, parent in enumerate(hierarchy.parents):
        sums.append(np.zeros((hierarchy.num_prototypes[level + 1], sums[0].shape[1])))
        np.add.at(sums[-1], parent.cpu().numpy(), sums[level])
    return [*sums, sums[-1].sum(axis=0, keepdims=True)]


def _add_rows(sums: NDArray, index: NDArray, piece: NDArray) -> None:
    """sums[index] += piece, run by run: ``np.add.at`` takes ten times as long."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums[ordered[starts]] += np.add.reduceat(piece[order].astype(np.float64), starts, axis=0)


def _first(column: NDArray, key: NDArray, number: NDArray) -> list[NDArray]:
    """For each node its (≤ 16,) images with the smallest keys, those first."""
    order = np.lexsort((key, column))
    ends = number.cumsum()
    return [
        order[end - count : min(end, end - count + _ROWS)]
        for end, count in zip(ends.tolist(), number.tolist(), strict=True)
    ]


def _by_size(family: NDArray, counts: list[NDArray], level: int) -> NDArray:
    """Children, the most populous first."""
    return family[np.argsort(-counts[level - 1][family], kind="stable")]


def _in_turn(lists: list[NDArray]) -> NDArray:
    """The first of each, then the second of each, up to 16: a node shows all that it holds."""
    longest = max((len(one) for one in lists), default=0)
    found = [one[place] for place in range(longest) for one in lists if place < len(one)]
    return np.array(found[:_ROWS], dtype=np.int64)


def _count_labels(column: NDArray, number: NDArray, labels: Labels | None) -> list[dict[str, Any]]:
    """Majority label, its share and the most frequent labels of each node."""
    nothing = {"name": None, "purity": None, "labels": []}
    if labels is None:
        return [nothing] * len(number)
    known = labels.of_image >= 0
    key = column[known].astype(np.int64) * len(labels.names) + labels.of_image[known]
    pairs, count = np.unique(key, return_counts=True)
    node, label = np.divmod(pairs, len(labels.names))
    found: list[dict[str, Any]] = [nothing] * len(number)
    ends = np.searchsorted(node, np.arange(len(number)), side="right")
    starts = np.r_[0, ends[:-1]]
    for one in np.unique(node).tolist():
        part = slice(starts[one], ends[one])
        order = np.argsort(-count[part], kind="stable")
        names = [
            [labels.names[which], many]
            for which, many in zip(
                label[part][order].tolist(), count[part][order].tolist(), strict=True
            )
        ]
        total = int(count[part].sum())
        found[one] = {
            "name": names[0][0],
            "purity": names[0][1] / total,
            "labels": names[:_LABELS],
        }
    return found


def _siblings(
    hierarchy: PrototypeHierarchy, level: int, parents: NDArray, counts: NDArray
) -> list[list[str]]:
    """Nearest siblings that have images, by the cosine of prototypes."""
    prototypes = hierarchy.prototypes[level].cpu().numpy()
    found: list[list[str]] = [[] for _ in counts]
    for parent in np.unique(parents).tolist():
        family = np.flatnonzero((parents == parent) & (counts > 0))
        similarity = prototypes[family] @ prototypes[family].T
        np.fill_diagonal(similarity, -np.inf)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, : min(_SIBLINGS, len(family) - 1)]
        for one, others in zip(family.tolist(), order, strict=True):
            found[one] = [node_id(level, int(other)) for other in family[others]]
    return found
