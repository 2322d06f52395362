"""The losses recorded from the released code, to the last digit."""

import pytest
import torch
from shared import golden, needs_golden

from hcsc_mm.models import Draw, HCSCHead, keep_probability, selective_info_nce
from hcsc_mm.models.selection.cluster_selection import Denominators
from hcsc_mm.structures import PrototypeHierarchy

pytestmark = needs_golden
CASES = ["small_single", "medium_single", "small_multicrop", "instance_only", "prototype_only"]


def build(name):
    case = golden(name)
    num_levels = sum(f"level{level}/prototypes" in case for level in range(10))
    hierarchy = PrototypeHierarchy(
        assignment=case["level0/assignment"],
        parents=tuple(case[f"level{level}/parent"] for level in range(num_levels - 1)),
        prototypes=tuple(case[f"level{level}/prototypes"] for level in range(num_levels)),
        concentrations=tuple(case[f"level{level}/concentration"] for level in range(num_levels)),
    )
    num_locals = sum(f"local{view}/feature" in case for view in range(10))
    instances = tuple(
        case[f"level{level}/instance_keep_mask"]
        for level in range(num_levels)
        if f"level{level}/instance_keep_mask" in case
    )
    draws = []
    for view in ["", *[f"local{view}/" for view in range(num_locals)]]:
        names = [f"level{level}/{view}prototype_keep_mask" for level in range(num_levels - 1)]
        draws.append(Draw(instances, tuple(case[name] for name in names if name in case)))
    head = HCSCHead(temperature=float(case["temperature"]))
    queries = [case["q"], *[case[f"local{view}/feature"] for view in range(num_locals)]]
    return case, hierarchy, head, queries, draws


@pytest.mark.parametrize("name", CASES)
def test_path_is_the_recorded_assignment_at_every_level(name):
    case, hierarchy, *_ = build(name)
    path = hierarchy.path(case["index"])
    for level, prototype in enumerate(path):
        assert torch.equal(prototype, case[f"level{level}/assignment"][case["index"]])


@pytest.mark.parametrize("name", CASES)
def test_total_loss_and_gradients_equal_the_recorded_ones(name):
    case, hierarchy, head, queries, draws = build(name)
    queries = [query.clone().requires_grad_() for query in queries]
    losses = head.loss(
        queries, case["k"], case["queue"], hierarchy, hierarchy.path(case["index"]), draws
    )
    total = sum(value for key, value in losses.items() if "loss" in key)
    assert total.item() == pytest.approx(case["total_loss"].item(), rel=1e-5)
    total.backward()
    gradients = [case["grad_q"], *[case[f"local{view}/grad"] for view in range(len(queries) - 1)]]
    for query, gradient in zip(queries, gradients, strict=True):
        assert (query.grad - gradient).abs().max() <= 1e-5 * gradient.abs().max()


@pytest.mark.parametrize("name", CASES)
def test_keep_probabilities_equal_the_recorded_ones_with_and_without_a_kept_denominator(name):
    case, hierarchy, *_ = build(name)
    path = hierarchy.path(case["index"])
    known = Denominators.build(hierarchy, case["queue"])
    checked = 0
    for level in range(hierarchy.num_levels):
        level_of_anchor = hierarchy.prototypes[level], hierarchy.concentrations[level], path[level]
        recorded = case.get(f"level{level}/instance_keep_probability")
        if recorded is not None:
            for kept in (None, known.of_keys[level]):
                ours = keep_probability(
                    case["queue"], *level_of_anchor, clamp=(0.0, 0.999), log_partition=kept
                )
                torch.testing.assert_close(ours, recorded, atol=1e-5, rtol=0)
                checked += 1
        recorded = case.get(f"level{level}/prototype_keep_probability")
        if recorded is not None:
            above = (
                hierarchy.prototypes[level + 1],
                hierarchy.concentrations[level + 1],
                path[level + 1],
            )
            negative = case[f"level{level}/is_negative_prototype"]
            for kept in (None, known.of_prototypes[level]):
                ours = keep_probability(
                    hierarchy.prototypes[level], *above, clamp=(0.0001, 0.999), log_partition=kept
                )
                torch.testing.assert_close(
                    ours[:, negative], recorded[:, negative], atol=1e-5, rtol=0
                )
                checked += 1
    assert checked >= 4


@pytest.mark.parametrize("name", ["small_single", "medium_single"])
def test_each_level_alone_gives_its_recorded_losses(name):
    case, hierarchy, head, queries, draws = build(name)
    positive, negative = head.instance_logits(queries[0], case["k"], case["queue"])
    for level in range(hierarchy.num_levels):
        loss = selective_info_nce(positive, negative, draws[0].instances[level], rejected="zero")
        assert loss.item() == pytest.approx(case[f"level{level}/instance_loss"].item(), rel=1e-5)
