"""Dendrogram purity and leaf purity, against a loop over all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from cases import random_hierarchy

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import clustering_scores, dendrogram_purity, tree_scores


def slow_dendrogram_purity(path, labels) -> float:
    """The definition: look for each pair's lowest common node, and count who is under it."""
    everyone = range(len(labels))
    purities = []
    for one, other in combinations(everyone, 2):
        if labels[one] != labels[other]:
            continue
        under = list(everyone)  # the root's
        for level in path:
            if level[one] == level[other]:
                under = [image for image in everyone if level[image] == level[one]]
                break
        purities.append(np.mean([labels[image] == labels[one] for image in under]))
    return float(np.mean(purities))


@pytest.mark.parametrize("num_prototypes", [(8, 4, 2), (20, 5), (6,)])
@pytest.mark.parametrize("seed", range(3))
def test_dendrogram_purity_is_that_of_the_loop_over_all_pairs(num_prototypes, seed):
    hierarchy = random_hierarchy(60, num_prototypes, seed=seed)
    path = [level.numpy() for level in hierarchy.path(range(60))]
    labels = np.random.default_rng(seed).integers(5, size=60) * 3  # not every number is a class
    labels = np.where(np.arange(60) % 2, labels, path[0] % 5)  # half of them agree with the tree
    expected = slow_dendrogram_purity(path, labels)
    assert dendrogram_purity(path, labels) == pytest.approx(expected, abs=1e-12)


def test_classes_with_subtrees_of_their_own_score_one():
    path = [np.arange(12) // 2, np.arange(12) // 4]
    assert tree_scores(path, np.arange(12) // 4) == pytest.approx(
        {"leaf_purity": 1, "dendrogram_purity": 1}
    )


def test_a_class_in_two_pure_leaves_that_meet_at_the_root_by_hand():
    # Leaves {0, 1}, {2, 3}, {4, 5} of classes a, b, a, no level above. Pairs of a: two within
    # leaves (purity 1), four across (root, 4/6); of b: one within its leaf.
    path, labels = [np.array([0, 0, 1, 1, 2, 2])], np.array([0, 0, 1, 1, 0, 0])
    assert dendrogram_purity(path, labels) == pytest.approx((2 + 4 * 4 / 6 + 1) / 7)
    assert tree_scores(path, labels)["leaf_purity"] == 1


def test_leaf_purity_is_the_purity_of_level_0():
    hierarchy = random_hierarchy(60)
    path = [level.numpy() for level in hierarchy.path(range(60))]
    labels = np.arange(60) % 3
    expected = clustering_scores(path[0], labels)["purity"]
    assert tree_scores(path, labels)["leaf_purity"] == pytest.approx(expected)


def test_without_a_pair_there_is_no_dendrogram_purity():
    path, labels = [np.array([0, 0, 1])], np.arange(3)
    assert tree_scores(path, labels) == {"leaf_purity": pytest.approx(2 / 3)}
    with pytest.raises(HCSCError, match="no two images share a label"):
        dendrogram_purity(path, labels)


@pytest.mark.parametrize(
    ("path", "labels", "message"),
    [
        ([[0, 0], [0, 1]], [0, 0], "make no tree"),
        ([[0, 0, 1]], [0, 0], "equally long"),
        ([[]], [], "not empty"),
    ],
    ids=["no tree", "lengths", "empty"],
)
def test_what_is_no_labelled_tree_is_refused(path, labels, message):
    with pytest.raises(HCSCError, match=message):
        tree_scores(path, labels)
