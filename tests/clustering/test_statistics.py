"""The few numbers that tell what a hierarchy looks like."""

import dataclasses

import pytest
import torch
from cases import random_hierarchy, unit_rows

from hcsc_mm.clustering.statistics import hierarchy_statistics, moved_share
from hcsc_mm.models import keep_probability
from hcsc_mm.structures import log_partition


def partitions(hierarchy, keys):
    levels = zip(hierarchy.prototypes, hierarchy.concentrations, strict=True)
    return tuple(
        log_partition(keys, prototypes, concentrations) for prototypes, concentrations in levels
    )


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


@pytest.mark.parametrize("num_keys", [1, 30, 5000])
def test_keep_probability_is_the_mean_over_all_pairs_of_key_and_image(num_keys):
    hierarchy = random_hierarchy()
    keys = unit_rows(num_keys, 6, seed=3)
    path = hierarchy.path(torch.arange(hierarchy.num_samples))
    for level, found in enumerate(
        hierarchy_statistics(hierarchy, None, keys, partitions(hierarchy, keys))
    ):
        pairs = keep_probability(
            keys,
            hierarchy.prototypes[level],
            hierarchy.concentrations[level],
            path[level],
            clamp=(0.0, 1.0),
        )
        assert found.keep_probability == pytest.approx(pairs.double().mean().item(), abs=1e-5)


def test_sizes_are_those_of_the_filled_clusters_in_images():
    hierarchy = dataclasses.replace(
        random_hierarchy(num_samples=10, num_prototypes=(4, 2)),
        assignment=torch.tensor([0, 0, 0, 0, 0, 1, 1, 3, 3, 3]),
        parents=(torch.tensor([1, 1, 0, 1]),),
    )
    keys = unit_rows(5, 6)
    fine, coarse = hierarchy_statistics(hierarchy, None, keys, partitions(hierarchy, keys))
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
    keys = unit_rows(5, 6)
    fine, coarse = hierarchy_statistics(after, before, keys, partitions(after, keys))
    assert fine.moved == pytest.approx(2 / 8)
    assert coarse.moved == 0
    assert "25.0% moved" in str(fine)
    assert fine.scalars()["moved"] == pytest.approx(0.25)
