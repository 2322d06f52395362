"""Measures of similarities against loops over numbers and closed forms."""

import math

import pytest
import torch
from contrast_cases import dot, embeddings, rows

from hcsc_mm.evaluation.similarities import (
    alignment,
    hard_gradient_share,
    of_two_views,
    others,
    tolerance,
    uniformity,
)


def distance(one, other) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_alignment_is_the_mean_distance_of_pairs(power):
    query, key, _ = embeddings(batch=7)
    pairs = zip(rows(query), rows(key), strict=True)
    expected = sum(distance(one, other) ** power for one, other in pairs) / 7
    assert alignment(query, key, power).item() == pytest.approx(expected, rel=1e-9)


def test_uniformity_is_the_log_of_a_mean_over_all_pairs():
    _, _, keys = embeddings(queue=6)
    values = [
        math.exp(-2 * distance(one, other) ** 2)
        for place, one in enumerate(rows(keys))
        for other in rows(keys)[:place]
    ]
    expected = math.log(sum(values) / len(values))
    assert uniformity(keys).item() == pytest.approx(expected, rel=1e-9)


def test_two_opposite_points_are_as_uniform_as_can_be_and_equal_ones_not_at_all():
    point = torch.tensor([[1.0, 0.0]])
    assert uniformity(torch.cat([point, -point])).item() == pytest.approx(-8)
    assert uniformity(torch.cat([point, point])).item() == 0


def test_tolerance_is_the_mean_similarity_within_groups():
    _, _, keys = embeddings(queue=6)
    groups = [0, 1, 0, 2, 1, 0]
    values = [
        dot(rows(keys)[one], rows(keys)[other])
        for one in range(6)
        for other in range(6)
        if one != other and groups[one] == groups[other]
    ]
    assert len(values) == 8
    found = tolerance(keys, torch.tensor(groups)).item()
    assert found == pytest.approx(sum(values) / 8, rel=1e-9)
    assert math.isnan(tolerance(keys, torch.arange(6)))


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_share_of_the_hardest_is_that_of_the_gradient_of_info_nce(temperature):
    similarities = torch.rand(
        4, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).requires_grad_()
    positive = torch.full((4, 1), 0.7, dtype=torch.float64)
    logits = torch.cat([positive, similarities], dim=1) / temperature
    torch.nn.functional.cross_entropy(logits, torch.zeros(4, dtype=torch.long)).backward()
    shares = [
        sum(sorted(gradient, reverse=True)[:3]) / sum(gradient)
        for gradient in rows(similarities.grad)
    ]
    found = hard_gradient_share(similarities.detach(), temperature, 0.3).item()
    assert found == pytest.approx(sum(shares) / 4, rel=1e-9)


def test_alike_negatives_share_the_gradient_evenly():
    assert hard_gradient_share(torch.zeros(2, 20), 0.1, 0.25).item() == pytest.approx(0.25)


def test_others_leave_out_each_images_own():
    found = others(torch.arange(9).view(3, 3))
    assert found.tolist() == [[1, 2], [3, 5], [6, 7]]


def test_scores_of_two_views_are_those_of_their_similarities():
    query, key, _ = embeddings(batch=5)
    found = {name: value.item() for name, value in of_two_views(query, key, (0.1,), 0.3).items()}
    pairs = [[dot(one, other) for other in rows(key)] for one in rows(query)]
    positives = [pairs[i][i] for i in range(5)]
    negatives = [pairs[i][j] for i in range(5) for j in range(5) if i != j]
    for kind, values in {"positive": positives, "negative": negatives}.items():
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        assert found.pop(f"{kind}_mean") == pytest.approx(mean, abs=1e-9)
        assert found.pop(f"{kind}_variance") == pytest.approx(variance, abs=1e-9)
    assert found == {
        "alignment": alignment(query, key).item(),
        "uniformity": uniformity(query).item(),
        "hard_share_t0.1": hard_gradient_share(others(query @ key.T), 0.1, 0.3).item(),
    }
