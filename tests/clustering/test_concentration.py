"""Concentration of the clusters of a level, against a slow oracle and closed forms."""

import math

import numpy as np
import oracles
import pytest
import torch

from hcsc_mm.clustering import concentration


@pytest.mark.parametrize("seed", range(5))
def test_concentration_equals_the_slow_oracle(seed):
    generator = torch.Generator().manual_seed(seed)
    distance = torch.rand(120, generator=generator)
    assignment = torch.randint(
        25, (120,), generator=generator
    )  # with clusters of one or none among them
    ours = concentration(distance, assignment, 30, temperature=0.3)
    np.testing.assert_allclose(
        ours.numpy(), oracles.concentration(distance, assignment, 30, temperature=0.3), rtol=1e-5
    )
    assert ours.dtype == torch.float32
    assert ours.mean().item() == pytest.approx(0.3, rel=1e-5)


def test_two_clusters_in_closed_form():
    # Spreads: mean distance 1 over log(12) and 3 over log(13); percentiles interpolate between the
    # two.
    small, large = 1 / math.log(12), 3 / math.log(13)
    low, high = small + 0.1 * (large - small), small + 0.9 * (large - small)
    expected = [0.2 * low / ((low + high) / 2), 0.2 * high / ((low + high) / 2)]
    ours = concentration(torch.tensor([0.5, 1.5, 2.0, 3.0, 4.0]), torch.tensor([0, 0, 1, 1, 1]), 2)
    assert ours.tolist() == pytest.approx(expected, rel=1e-6)


def test_of_two_equally_wide_clusters_the_more_populous_one_is_more_concentrated():
    assignment = torch.tensor([0] * 50 + [1] * 5)
    ours = concentration(torch.ones(55), assignment, 2)
    assert ours[0] < ours[1]


@pytest.mark.parametrize("lone_distance", [0.0, 0.01])
def test_a_singleton_has_the_level_s_largest_value_whatever_its_own_distance(lone_distance):
    distance = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.9, 0.9, lone_distance])
    assignment = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    ours = concentration(distance, assignment, 4)
    assert ours[3] == ours[2] == ours.max()
    np.testing.assert_allclose(
        ours.numpy(), oracles.concentration(distance, assignment, 4), rtol=1e-5
    )


def test_an_empty_cluster_has_the_level_s_largest_value():
    ours = concentration(torch.tensor([0.1, 0.1, 0.9, 0.9]), torch.tensor([0, 0, 2, 2]), 3)
    assert ours[1] == ours[2] == ours.max()


def test_only_singletons_have_the_temperature():
    assert concentration(
        torch.zeros(6), torch.arange(6), 6, temperature=0.7
    ).tolist() == pytest.approx([0.7] * 6)


def test_only_duplicates_have_the_temperature():
    assert concentration(
        torch.zeros(6), torch.tensor([0, 0, 0, 1, 1, 1]), 2
    ).tolist() == pytest.approx([0.2] * 2)


def test_mostly_duplicates_are_finite_positive_and_of_the_right_mean():
    distance = torch.zeros(40)
    distance[:2] = 0.5
    ours = concentration(distance, torch.arange(40) // 2, 20)
    assert bool(torch.isfinite(ours).all())
    assert ours.min() > 0
    assert ours.mean().item() == pytest.approx(0.2, rel=1e-5)


def test_scaling_all_distances_changes_nothing():
    distance, assignment = torch.rand(60), torch.arange(60) % 7
    torch.testing.assert_close(
        concentration(distance, assignment, 7), concentration(1e-6 * distance, assignment, 7)
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_both_integer_types_of_a_hierarchy_are_taken(dtype):
    distance, assignment = torch.rand(60), torch.arange(60) % 7
    assert torch.equal(
        concentration(distance, assignment.to(dtype), 7), concentration(distance, assignment, 7)
    )
