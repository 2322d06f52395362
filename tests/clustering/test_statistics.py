"""The few numbers that tell what a hierarchy looks like."""

import dataclasses

import pytest
import torch
from cases import random_hierarchy

from hcsc_mm.clustering.statistics import hierarchy_statistics, moved_share


def test_nothing_moved_when_clusters_were_only_renumbered():
    before = torch.randint(9, (200,))
    assert moved_share(before, torch.randperm(9)[before]) == 0


def test_one_of_six_moved():
    assert moved_share(
        torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([5, 5, 2, 3, 3, 3])
    ) == pytest.approx(1 / 6)


def test_a_cluster_split_in_half_moved_half_of_its_images():
    assert moved_share(
        torch.zeros(8, dtype=torch.int32), torch.arange(8, dtype=torch.int32) // 4
    ) == pytest.approx(0.5)


def test_sizes_are_those_of_the_filled_clusters_in_images():
    hierarchy = dataclasses.replace(
        random_hierarchy(num_samples=10, num_prototypes=(4, 2)),
        assignment=torch.tensor([0, 0, 0, 0, 0, 1, 1, 3, 3, 3]),
        parents=(torch.tensor([1, 1, 0, 1]),),
    )
    fine, coarse = hierarchy_statistics(hierarchy, None)
    assert (fine.prototypes, fine.empty, fine.smallest, fine.median, fine.largest, fine.moved) == (
        4,
        1,
        2,
        3,
        5,
        None,
    )
    assert (coarse.prototypes, coarse.empty, coarse.smallest, coarse.largest) == (2, 1, 10, 10)
    assert "moved" not in fine.scalars()


def test_moved_is_told_per_level_along_the_path():
    before = dataclasses.replace(
        random_hierarchy(num_samples=8, num_prototypes=(4, 2)),
        assignment=torch.arange(8) // 2,
        parents=(torch.tensor([0, 0, 1, 1]),),
    )
    after = dataclasses.replace(
        before, assignment=torch.tensor([0, 1, 0, 1, 2, 2, 3, 3])
    )  # images change places within one parent
    fine, coarse = hierarchy_statistics(after, before)
    assert fine.moved == pytest.approx(2 / 8)
    assert coarse.moved == 0
    assert "25.0% moved" in str(fine)
    assert fine.scalars()["moved"] == pytest.approx(0.25)
