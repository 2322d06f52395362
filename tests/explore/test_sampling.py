"""Subsets that are even over the tree."""

from __future__ import annotations

import numpy as np
import pytest
from cases import random_hierarchy

from hcsc_mm import HCSCError
from hcsc_mm.explore.sampling import (
    equal_shares,
    one_per_group,
    sample_balanced,
    sample_proportional,
)

# 3 nodes of 100, 10 and 2 images; the first has leaves of 90 and 10, the second of 5 and 5.
LEAVES = np.repeat([0, 1, 2, 3, 4], [90, 10, 5, 5, 2])
TOP = np.array([0, 0, 1, 1, 2])[LEAVES]
PATH = [LEAVES, TOP]


def counts(rows, level=0):
    return np.bincount(PATH[level][rows], minlength=(5, 3)[level]).tolist()


def test_shares_are_equal_where_images_suffice_and_go_on_to_others_where_not():
    random = np.random.default_rng(0)
    assert equal_shares(np.array([100, 10, 2]), 12, random).tolist() == [5, 5, 2]
    assert equal_shares(np.array([100, 10, 2]), 30, random).tolist() == [18, 10, 2]
    assert equal_shares(np.array([4, 4, 4]), 12, random).tolist() == [4, 4, 4]
    assert sorted(equal_shares(np.array([9, 9, 9]), 10, random).tolist()) == [3, 3, 4]


def test_balanced_shares_out_level_by_level():
    rows = sample_balanced(PATH, 18)
    assert len(np.unique(rows)) == 18
    assert counts(rows, 1) == [8, 8, 2]
    assert counts(rows) == [4, 4, 4, 4, 2]


def test_balanced_is_not_what_leaves_alone_would_give():
    # Leaves alone would get 3 to 4 each; the third top node takes its two, the others half each.
    assert counts(sample_balanced(PATH, 12), 1) == [5, 5, 2]


@pytest.mark.parametrize("sample", [sample_balanced, sample_proportional])
@pytest.mark.parametrize("number", [1, 7, 60, 112])
def test_exactly_so_many_are_drawn_the_same_each_time(sample, number):
    rows = sample(PATH, number, seed=3)
    assert len(np.unique(rows)) == number
    assert np.array_equal(rows, sample(PATH, number, seed=3))


def test_proportional_keeps_the_tree_in_small():
    assert counts(sample_proportional(PATH, 56, seed=1)) in (
        [45, 5, 2, 3, 1],
        [45, 5, 3, 2, 1],
        [45, 5, 3, 3, 1],
        [45, 5, 2, 2, 1],
        [45, 5, 3, 2, 1],
    )
    hierarchy = random_hierarchy(500)
    path = [level.numpy() for level in hierarchy.path(range(500))]
    drawn = np.bincount(path[0][sample_proportional(path, 100)], minlength=8)
    assert np.abs(drawn - np.bincount(path[0], minlength=8) / 5).max() < 1


def test_any_tree_is_shared_out_evenly():
    hierarchy = random_hierarchy(500)
    path = [level.numpy() for level in hierarchy.path(range(500))]
    drawn = np.bincount(path[2][sample_balanced(path, 100)], minlength=2)
    assert drawn.tolist() == [50, 50]


def test_closest_and_farthest_images_of_a_leaf_come_first():
    distance = np.arange(112.0)
    closest = sample_balanced(PATH, 5, pick="closest", distance=distance)
    farthest = sample_balanced(PATH, 5, pick="farthest", distance=distance)
    assert set(closest) <= {0, 90, 100, 105, 110, 111, 1, 91, 101, 106}
    assert set(farthest) <= {89, 99, 104, 109, 111, 110, 88, 98, 103, 108}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 0}, r"number=0 must lie in \[1, 112\]"),
        ({"number": 113}, r"number=113 must lie in \[1, 112\]"),
        ({"number": 3, "pick": "best"}, "pick='best' is unknown"),
        ({"number": 3, "pick": "closest"}, "needs the distances"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        sample_balanced(PATH, **options)


def test_of_near_duplicates_the_best_one_stays():
    group = np.array([-1, 0, 0, 1, -1, 1, 1])
    score = np.array([9.0, 2, 1, 5, 9, 3, 4])
    assert one_per_group(group, score).tolist() == [True, False, True, False, True, True, False]
    assert one_per_group(np.full(3, -1), np.zeros(3)).all()
