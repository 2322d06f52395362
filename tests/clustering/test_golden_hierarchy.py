"""Concentration and k-means against the recorded hierarchy of the released code."""

import pytest
import torch
from shared import golden, needs_golden

from hcsc_mm.clustering import concentration, faiss_kmeans, hierarchical_kmeans, kmeans

pytestmark = needs_golden
LEVELS = range(3)


@pytest.fixture(scope="module")
def case():
    return golden("hierarchy_small")


@pytest.mark.parametrize("level", LEVELS)
def test_concentration_equals_the_recorded_one(case, level):
    ours = concentration(
        case[f"level{level}/squared_distance"].sqrt(),
        case[f"level{level}/nearest"],
        len(case[f"level{level}/prototypes"]),
        temperature=float(case["temperature"]),
    )
    torch.testing.assert_close(ours, case[f"level{level}/concentration"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("cluster", [kmeans, faiss_kmeans], ids=["torch", "faiss"])
@pytest.mark.parametrize("level", LEVELS)
def test_kmeans_objective_is_at_most_one_percent_above_the_recorded_one(case, level, cluster):
    points = case["features"] if level == 0 else case[f"level{level - 1}/prototypes"]
    result = cluster(points, len(case[f"level{level}/prototypes"]))
    recorded = case[f"level{level}/squared_distance"].sum().item()
    assert result.squared_distance.sum().item() <= 1.01 * recorded


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_recorded_features_give_unit_prototypes_and_concentrations_of_mean_temperature(
    case, backend
):
    hierarchy = hierarchical_kmeans(case["features"], (60, 24, 8), backend=backend)
    assert hierarchy.num_prototypes == (60, 24, 8)
    assert hierarchy.num_samples == len(case["features"])
    for prototypes, concentrations in zip(
        hierarchy.prototypes, hierarchy.concentrations, strict=True
    ):
        torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))
        assert concentrations.mean().item() == pytest.approx(0.2, rel=1e-5)
