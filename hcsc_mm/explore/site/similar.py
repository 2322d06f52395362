"""The most similar images of an image, from its leaf and the leaves around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.products import inner_products
from .nodes import Node
from .table import PageTable

# Candidates compared at once: bounds memory whatever the size of a leaf.
_CHUNK = 32_768


def most_similar(
    table: PageTable, leaf: Node, start: int, end: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of each image in a part of a leaf, by cosine.

    Candidates are the images of the leaf and of its nearest siblings (``siblings`` of
    hierarchy.json), and the nearest neighbour that the table names, wherever it lies.

    Args:
        table: The tree's table of images.
        leaf: Prototype of the finest level for each image.
        start: First position of the part.
        end: Position behind its last.
        number: How many are wanted, k.

    Returns:
        (end − start, k) int64 positions and (end − start, k) float32 cosines, descending; −1 where
        there are fewer candidates.
    """
    queries = _unit(table, start, end)
    positions = torch.full((end - start, number), -1)
    cosines = torch.full((end - start, number), -torch.inf)
    for first, last in _around(table, leaf):
        for chunk in range(first, last, _CHUNK):
            stop = min(chunk + _CHUNK, last)
            scores = inner_products(queries, _unit(table, chunk, stop))  # (queries, chunk)
            own = torch.arange(start, end) - chunk
            inside = (own >= 0) & (own < stop - chunk)
            scores[inside.nonzero().squeeze(1), own[inside]] = -torch.inf
            best, place = scores.topk(min(number, stop - chunk), dim=1)
            cosines, order = torch.cat([cosines, best], dim=1).topk(number, dim=1)
            positions = torch.cat([positions, place + chunk], dim=1).gather(1, order)
    positions[cosines.isinf()] = -1
    return _with_the_tables_own(table, start, end, positions.numpy(), cosines.numpy())


def _around(table: PageTable, leaf: Node) -> Sequence[tuple[int, int]]:
    """Runs of the leaf and of its nearest siblings that have images."""
    others = (table.nodes.get(identity) for identity in leaf.facts.get("siblings", ()))
    runs = {node.start: node.end for node in (leaf, *others) if node is not None}
    return sorted(runs.items())


def _unit(table: PageTable, start: int, end: int) -> Tensor:
    return F.normalize(torch.from_numpy(table.embeddings[start:end].astype(np.float32)), dim=1)


def _with_the_tables_own(
    table: PageTable, start: int, end: int, positions: np.ndarray, cosines: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The table's nearest neighbour takes its place by similarity, should it lie farther away in
    the tree: page and table name the same one.
    """
    rows = table.column("neighbour")[start:end].astype(np.int64)
    similarity = table.column("neighbour_similarity")[start:end].astype(np.float32)
    own = np.where(rows >= 0, table.positions[np.maximum(rows, 0)], -1)
    wanted = (own >= 0) & np.isfinite(similarity) & ~(positions == own[:, None]).any(axis=1)
    positions = np.concatenate([positions, own[:, None]], axis=1)
    cosines = np.concatenate(
        [cosines, np.where(wanted, similarity, -np.inf)[:, None]], axis=1, dtype=np.float32
    )
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :-1]
    positions, cosines = (np.take_along_axis(a, order, axis=1) for a in (positions, cosines))
    return np.where(np.isfinite(cosines), positions, -1), cosines
