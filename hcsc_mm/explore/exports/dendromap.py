"""DendroMap (Bertucci et al., 2023): the tree as a binary dendrogram of all images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from ...errors import HCSCError
from ...utils.files import write_text
from ..nodes import ROOT
from ..sampling import sample_balanced
from ..tree import Tree

NAME = "dendromap"
MOST_IMAGES = 60_000  # what it was shown to bear; it loads all at once


def write(tree: Tree, out: Path) -> list[str]:
    """``dendrogram.json``: {"tree": node}, each node with two children or a file's name.

    The children of a node of our tree are joined pairwise by agglomerative clustering of their mean
    directions, and the images of a leaf by that of their embeddings (scipy, average linkage), so
    that every node of ours is one of the dendrogram's.

    Args:
        tree: To export. Of more than 60,000 images so many are drawn, evenly over the tree.
        out: Folder for it.
    """
    rows = tree.readable
    if len(rows) > MOST_IMAGES:
        rows = np.sort(rows[sample_balanced([level[rows] for level in tree.path], MOST_IMAGES)])
        print_log(f"DendroMap gets {MOST_IMAGES} of the images, even over the tree", "current")
    if len(rows) < 2:
        raise HCSCError("a dendrogram needs at least two images")
    embedding = np.concatenate(list(tree.table.embeddings()))[rows]
    paths = tree.table.texts("path")
    joined = _Joiner(embedding, [paths[row] for row in rows.tolist()])
    groups = [np.array([place]) for place in range(len(rows))]  # images, then nodes of each level
    for level in [*tree.path, np.zeros(tree.table.num_rows, np.int64)]:
        of_group = np.array([level[rows[group[0]]] for group in groups])
        order = np.argsort(of_group, kind="stable")
        cuts = np.flatnonzero(np.diff(of_group[order])) + 1
        families = np.split(order, cuts)
        groups = [joined.join([groups[one] for one in family]) for family in families]
    root = joined.node(groups[0])
    root.pop("merging_distance", None)
    write_text(out / "dendrogram.json", json.dumps({"tree": root}))
    return [
        f"add to DendroMap's src/dataOptions.js: cluster_filepath: '{out / 'dendrogram.json'}', "
        f"image_filepath: '{tree.facts.root or ROOT}'"
    ]


class _Joiner:
    """Builds the dendrogram from below; a group of images is known by its first one.

    Args:
        embedding: (n, D) of the images.
        names: Paths of the images' files, by place.
    """

    def __init__(self, embedding: NDArray, names: list[str]) -> None:
        self._embedding = embedding
        self._count = len(names)
        self._nodes: dict[bytes, dict[str, Any]] = {
            np.array([place]).tobytes(): {
                "leaf": True,
                "node_index": place,
                "instance_index": place,
                "node_count": 1,
                "filename": name,
            }
            for place, name in enumerate(names)
        }

    def node(self, group: NDArray) -> dict[str, Any]:
        """Of a group that has been joined."""
        return self._nodes[group.tobytes()]

    def join(self, groups: list[NDArray]) -> NDArray:
        """Pairwise, the nearest first; returns all of their images."""
        if len(groups) == 1:
            return groups[0]
        centres = np.stack([self._embedding[group].mean(axis=0) for group in groups])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True).clip(1e-12)
        members = list(groups)
        for one, other, distance, _ in linkage(centres, "average"):
            pair = [members[int(one)], members[int(other)]]
            children = [self._nodes.pop(group.tobytes()) for group in pair]
            for child in children:
                child["merging_distance"] = round(float(distance), 3)
            both = np.concatenate(pair)
            members.append(both)
            self._nodes[both.tobytes()] = {
                "leaf": False,
                "node_index": self._count,
                "node_count": len(both),
                "children": children,
            }
            self._count += 1
        return members[-1]
