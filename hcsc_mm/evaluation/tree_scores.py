"""How well a tree of clusters agrees with labels, as a whole and not level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import HCSCError


def tree_scores(path: Sequence[ArrayLike], labels: ArrayLike) -> dict[str, float]:
    """Agreement of a tree with labels.

    Args:
        path: (N,) int per level, level 0, the finest, first: the node of each image. Above the last
            level there is one root.
        labels: (N,) int class of each image.

    Returns:
        'dendrogram_purity', see :func:`dendrogram_purity`, left out where no two images share a
        label; 'leaf_purity': share of images whose class is the majority of their node of level 0.

    Raises:
        HCSCError: different lengths, no images, or levels that make no tree.
    """
    levels, labels = [np.asarray(level) for level in path], np.asarray(labels)
    leaves = _count(levels[0], labels)
    majority = np.zeros(leaves.node.max() + 1, dtype=np.int64)
    np.maximum.at(majority, leaves.node, leaves.number)
    scores = {"leaf_purity": float(majority.sum() / len(labels))}
    if bool((np.unique(labels, return_counts=True)[1] > 1).any()):
        scores["dendrogram_purity"] = dendrogram_purity(levels, labels)
    return scores


def dendrogram_purity(path: Sequence[ArrayLike], labels: ArrayLike) -> float:
    """Mean, over all pairs of images of one class, of the share of that class among the images
    under the pair's lowest common node (Heller & Ghahramani, Bayesian Hierarchical Clustering,
    2005, Section 4).

    1 if every class has nodes of its own up to one that holds all of it. Computed from the counts
    of classes in nodes: the pairs of a class whose lowest common node is v are those within v less
    those within each of its children.

    Args:
        path: (N,) int per level, level 0 first; above the last level there is one root. Two images
            of one node of level 0 meet there: leaves are nodes, not images.
        labels: (N,) int class of each image.

    Raises:
        HCSCError: different lengths, no images, levels that make no tree, or no two images of one
            class.
    """
    levels, labels = [np.asarray(level) for level in path], np.asarray(labels)
    levels.append(np.zeros(len(labels), dtype=np.int64))  # the root
    purity_times_pairs, below = 0.0, None
    counts = [_count(level, labels) for level in levels]
    for level, count in enumerate(counts):
        purity_times_pairs += float((count.pairs * count.share).sum())
        if below is not None:  # these pairs have met further down
            above = _parents(levels[level - 1], levels[level])[below.node]
            place = np.searchsorted(count.key, above * count.num_classes + below.label)
            purity_times_pairs -= float((below.pairs * count.share[place]).sum())
        below = count
    num_pairs = counts[-1].pairs.sum()
    if num_pairs == 0:
        raise HCSCError("no two images share a label: there is no pair to look at")
    return purity_times_pairs / float(num_pairs)


class _Count(NamedTuple):
    """How often each class occurs in each node, for the n combinations that occur, in the order of
    their keys.

    Attributes:
        key: (n,) node · num_classes + label.
        node, label: (n,) of each combination.
        number: (n,) images.
        pairs: (n,) pairs of these images.
        share: (n,) of the node's images.
        num_classes: Number of classes, C.
    """

    key: NDArray
    node: NDArray
    label: NDArray
    number: NDArray
    pairs: NDArray
    share: NDArray
    num_classes: int


def _count(level: NDArray, labels: NDArray) -> _Count:
    if level.shape != labels.shape or level.ndim != 1 or len(labels) == 0:
        raise HCSCError(
            f"levels and labels must be equally long and not empty, got {level.shape} and "
            f"{labels.shape}"
        )
    _, label = np.unique(labels, return_inverse=True)
    num_classes = int(label.max()) + 1
    key, number = np.unique(level.astype(np.int64) * num_classes + label, return_counts=True)
    node = key // num_classes
    size = np.bincount(level)[node]
    pairs = number * (number - 1) / 2
    return _Count(key, node, key % num_classes, number, pairs, number / size, num_classes)


def _parents(finer: NDArray, coarser: NDArray) -> NDArray:
    """The coarser node that each finer one lies in; anything for finer ones without images."""
    parents = np.zeros(finer.max() + 1, dtype=np.int64)
    parents[finer] = coarser
    if not np.array_equal(parents[finer], coarser):
        raise HCSCError("the levels make no tree: images of one node lie in two nodes above it")
    return parents
