"""Positions in the plane that follow the tree: the images of a node lie together, and alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from ..structures import PrototypeHierarchy
from ..utils.progress import track

_SMALL = 50  # vectors of which all components cost no more than the first two
_GAP = 0.03  # of the shorter side of a cell is left free around what lies in it


def lay_out(hierarchy: PrototypeHierarchy, path: NDArray, embedding: NDArray) -> NDArray:
    """(n, 2) float32 positions in the unit square.

    The square is cut into one rectangle for each prototype of the last level, each of these into
    one for each of its children, and so on; areas are proportional to numbers of images. Where a
    rectangle lies among its siblings follows from the first two principal components of their
    prototypes, and where an image lies in its leaf's rectangle from those of the leaf's embeddings.
    The same input gives the same positions.

    Args:
        hierarchy: The tree whose nodes get places.
        path: (L, n) int prototypes of the images.
        embedding: (n, D) float32.
    """
    with threadpool_limits(1):  # threads wait for each other longer than such small problems take
        return _lay_out(hierarchy, path, embedding)


def _lay_out(hierarchy: PrototypeHierarchy, path: NDArray, embedding: NDArray) -> NDArray:
    levels = hierarchy.num_levels
    sizes = [
        np.bincount(path[level], minlength=hierarchy.num_prototypes[level])
        for level in range(levels)
    ]
    parents = [parent.cpu().numpy() for parent in hierarchy.parents]
    cells = {(levels, 0): np.array([0.0, 0.0, 1.0, 1.0])}
    for level in range(levels - 1, -1, -1):
        above = parents[level] if level < levels - 1 else np.zeros(len(sizes[level]), np.int64)
        prototypes = hierarchy.prototypes[level].cpu().numpy()
        for parent in np.unique(above[sizes[level] > 0]).tolist():
            children = np.flatnonzero((above == parent) & (sizes[level] > 0))
            inside = _shrink(cells[level + 1, parent])
            cut = divide(inside, two_components(prototypes[children]), sizes[level][children])
            for child, cell in zip(children.tolist(), cut, strict=True):
                cells[level, child] = cell
    return _fill_leaves(cells, path[0], sizes[0], embedding)


def _fill_leaves(
    cells: dict[tuple[int, int], NDArray], leaf: NDArray, sizes: NDArray, embedding: NDArray
) -> NDArray:
    positions = np.empty((len(leaf), 2), np.float32)
    order = np.argsort(leaf, kind="stable")
    ends = sizes.cumsum()
    for number in track(np.flatnonzero(sizes).tolist(), "layout"):
        members = order[ends[number] - sizes[number] : ends[number]]
        points = two_components(np.asarray(embedding[members]))
        positions[members] = fill(_shrink(cells[0, number]), points)
    return positions


def two_components(vectors: NDArray) -> NDArray:
    """(m, 2) first two principal components of (m, D) vectors, zeros where there are fewer."""
    points = np.zeros((len(vectors), 2), np.float64)
    smaller = min(len(vectors) - 1, vectors.shape[1])
    number = min(2, smaller)
    if number == 0 or bool((vectors == vectors[0]).all()):  # copies have no direction
        return points
    # 'auto' would take a randomised solver for some shapes.
    solver = "covariance_eigh" if len(vectors) > vectors.shape[1] else "arpack"
    solver = "full" if smaller < _SMALL else solver
    found = PCA(number, svd_solver=solver, random_state=0)
    points[:, :number] = found.fit_transform(vectors.astype(np.float64))
    return points


def divide(cell: NDArray, points: NDArray, weights: NDArray) -> NDArray:
    """Cut a rectangle into one for each point, with areas proportional to weights and places that
    follow the points: halve the weight across the longer side, at that side's coordinate, until
    each piece holds one point (an ordered treemap; cf. Wood & Dykes, 2008).

    Args:
        cell: (4,) left, top, width and height.
        points: (m, 2).
        weights: (m,) > 0.

    Returns:
        (m, 4) cells.
    """
    cells = np.empty((len(points), 4))
    waiting = [(np.asarray(cell, np.float64), np.arange(len(points)))]
    while waiting:
        (left, top, width, height), members = waiting.pop()
        if len(members) == 1:
            cells[members[0]] = left, top, width, height
            continue
        axis = 0 if width >= height else 1
        members = members[np.argsort(points[members, axis], kind="stable")]
        share = weights[members].cumsum() / weights[members].sum()
        cut = int(np.abs(share[:-1] - 0.5).argmin())
        part = share[cut]
        if axis == 0:
            halves = (
                (left, top, part * width, height),
                (
                    left + part * width,
                    top,
                    (1 - part) * width,
                    height,
                ),
            )
        else:
            halves = (
                (left, top, width, part * height),
                (
                    left,
                    top + part * height,
                    width,
                    (1 - part) * height,
                ),
            )
        waiting.append((np.array(halves[0]), members[: cut + 1]))
        waiting.append((np.array(halves[1]), members[cut + 1 :]))
    return cells


def fill(cell: NDArray, points: NDArray) -> NDArray:
    """(m, 2) places that fill a rectangle evenly, columns by the points' first coordinate and rows
    by their second.

    Args:
        cell: (4,) left, top, width and height.
        points: (m, 2).
    """
    left, top, width, height = cell
    number = len(points)
    num_columns = min(number, max(1, round(np.sqrt(number * width / height))))
    place = np.empty(number, np.int64)
    place[np.argsort(points[:, 0], kind="stable")] = np.arange(number)
    column = place * num_columns // number
    order = np.lexsort((points[:, 1], column))
    in_column = np.bincount(column, minlength=num_columns)
    first = np.r_[0, in_column.cumsum()[:-1]]
    row = np.empty(number, np.int64)
    row[order] = np.arange(number) - first[column[order]]
    return np.stack(
        [
            left + width * (column + 0.5) / num_columns,
            top + height * (row + 0.5) / in_column[column],
        ],
        axis=1,
    )


def _shrink(cell: NDArray) -> NDArray:
    left, top, width, height = cell
    gap = _GAP * min(width, height)
    return np.array([left + gap, top + gap, width - 2 * gap, height - 2 * gap])
