"""Which negatives to keep."""

import numpy as np
import oracles
import pytest
import torch
from cases import random_hierarchy, unit_rows

from hcsc_mm.models.selection import keep_probability, log_partition


@pytest.fixture
def level():
    hierarchy = random_hierarchy(num_prototypes=(8,))
    return hierarchy.prototypes[0], hierarchy.concentrations[0]


@pytest.mark.parametrize("clamp", [(0.0, 1.0), (0.0, 0.999), (0.0001, 0.999), (0.4, 0.6)])
def test_keep_probability_equals_the_slow_oracle(level, clamp):
    candidates, anchors = unit_rows(30, 6, seed=7), torch.tensor([0, 3, 3, 7])
    ours = keep_probability(candidates, *level, anchors, clamp=clamp)
    assert ours.shape == (4, 30)
    np.testing.assert_allclose(
        ours.numpy(), oracles.keep_probability(candidates, *level, anchors, clamp), atol=1e-5
    )


def test_rejections_of_a_candidate_over_all_anchors_add_up_to_one(level):
    ours = keep_probability(unit_rows(30, 6, seed=7), *level, torch.arange(8), clamp=(0.0, 1.0))
    torch.testing.assert_close((1 - ours).sum(dim=0), torch.ones(30))


def test_a_candidate_at_the_anchor_s_prototype_is_never_kept_when_prototypes_are_tight(level):
    prototypes, _ = level
    ours = keep_probability(prototypes, prototypes, torch.full((8,), 0.005), torch.arange(8))
    assert ours.diagonal().max() < 1e-3
    assert ours[~torch.eye(8, dtype=torch.bool)].min().item() == pytest.approx(0.999)


def test_the_released_instance_clamp_is_the_default(level):
    candidates, anchors = unit_rows(30, 6, seed=7), torch.arange(8)
    assert torch.equal(
        keep_probability(candidates, *level, anchors),
        keep_probability(candidates, *level, anchors, clamp=(0.0, 0.999)),
    )


def test_more_candidates_than_a_chunk_are_each_treated_as_alone(level):
    candidates, anchors = unit_rows(9000, 6, seed=7), torch.tensor([2, 5])
    together = keep_probability(candidates, *level, anchors)
    assert together.shape == (2, 9000)
    for column in (0, 4095, 4096, 8191, 8192, 8999):
        torch.testing.assert_close(
            together[:, column], keep_probability(candidates[[column]], *level, anchors)[:, 0]
        )


def test_a_denominator_that_is_handed_in_gives_the_same(level):
    candidates, anchors = unit_rows(30, 6, seed=7), torch.arange(8)
    known = log_partition(candidates, *level)
    torch.testing.assert_close(
        keep_probability(candidates, *level, anchors, log_partition=known),
        keep_probability(candidates, *level, anchors),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_candidates_and_autocast_are_computed_in_float32(level, dtype):
    candidates, anchors = unit_rows(30, 6, seed=7).to(dtype), torch.arange(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = keep_probability(candidates, *level, anchors)
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(
        ours.numpy(),
        oracles.keep_probability(candidates.float(), *level, anchors, (0.0, 0.999)),
        atol=1e-5,
    )


def test_tiny_concentrations_give_probabilities_all_the_same(level):
    ours = keep_probability(
        unit_rows(30, 6, seed=7), level[0], torch.full((8,), 1e-4), torch.arange(8)
    )
    assert bool(torch.isfinite(ours).all())
    assert ours.min() >= 0
    assert ours.max() <= 0.9991
