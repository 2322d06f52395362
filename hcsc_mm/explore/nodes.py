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
    tree = _Described(hierarchy, columns, embedding, rows, labels)
    nodes: list[dict[str, Any]] = []
    shown: list[NDArray] = []  # representatives of the level below
    for level in range(hierarchy.num_levels + 1):
        described, shown = tree.level(level, shown)
        nodes += described
    return {
        "version": 1,
        "levels": hierarchy.num_levels,
        "num_images": num_images,
        "num_unreadable": num_images - len(rows),
        "root": nodes.pop(),
        "nodes": nodes,
    }


class _Described:
    """What the nodes of all levels are described from; the level above the last is the root's.

    Arguments are those of :func:`describe_tree`.
    """

    def __init__(
        self,
        hierarchy: PrototypeHierarchy,
        columns: Columns,
        embedding: Iterable[NDArray],
        rows: NDArray,
        labels: Labels | None,
    ) -> None:
        self._hierarchy, self._columns, self._rows, self._labels = hierarchy, columns, rows, labels
        self._top = hierarchy.num_levels
        own = zip(columns.prototypes, hierarchy.num_prototypes, strict=True)
        self._counts = [np.bincount(column, minlength=number) for column, number in own]
        self._counts.append(np.array([len(rows)]))
        self._sums = _sums(hierarchy, columns.prototypes[0], embedding)
        self._parents = [parent.cpu().numpy() for parent in hierarchy.parents]
        self._parents.append(np.zeros(len(self._counts[-2]), np.int64))

    def level(self, level: int, shown: list[NDArray]) -> tuple[list[dict[str, Any]], list[NDArray]]:
        """The nodes of a level, and the representatives of each.

        Args:
            level: From 0; the number of levels for the root.
            shown: Representatives of the level below.
        """
        counts, columns, is_root = self._counts[level], self._columns, level == self._top
        measured = min(level, self._top - 1)
        column = np.zeros_like(columns.prototypes[0]) if is_root else columns.prototypes[level]
        families = self._families(level)
        if level == 0:
            nearest = _first(column, columns.distances[0], counts)
        else:
            below = (_by_size(family, self._counts, level) for family in families)
            nearest = [_in_turn([shown[child] for child in children]) for children in below]
        farthest = _first(column, -columns.distances[measured], counts)
        edges = _first(column, columns.margins[measured], counts)
        named = _count_labels(column, counts, self._labels)
        siblings = [[]]
        if not is_root:
            siblings = _siblings(self._hierarchy, level, self._parents[level], counts)
        length = np.linalg.norm(self._sums[level], axis=1)
        nodes = [
            {
                "id": ROOT if is_root else node_id(level, one),
                "level": level,
                "index": one,
                "parent": self._parent(level, one),
                "children": [node_id(level - 1, int(child)) for child in families[one]],
                "count": count,
                "share": count / len(column),
                # Σ x·m / n for the mean direction m = Σx / |Σx|
                "compactness": float(length[one] / count) if count else None,
                **named[one],
                "siblings": siblings[one],
                "representatives": self._rows[nearest[one]].tolist(),
                "edges": self._rows[edges[one]].tolist(),
                "outliers": self._rows[farthest[one]].tolist(),
            }
            for one, count in enumerate(counts.tolist())
        ]
        return nodes, nearest

    def _families(self, level: int) -> list[NDArray]:
        """The children of each node."""
        number = range(len(self._counts[level]))
        if level == 0:
            return [np.empty(0, np.int64) for _ in number]
        return [np.flatnonzero(self._parents[level - 1] == one) for one in number]

    def _parent(self, level: int, one: int) -> str | None:
        if level == self._top:
            return None
        if level == self._top - 1:
            return ROOT
        return node_id(level + 1, int(self._parents[level][one]))


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
