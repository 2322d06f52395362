"""Losses over all levels and views, against loops over numbers."""

import dataclasses

import oracles
import pytest
import torch
from cases import random_hierarchy, unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.models import (
    Draw,
    HCSCHead,
    LossRule,
    NegativeQueue,
    keep_probability,
    selective_info_nce,
)

BATCH, LENGTH, DIM, NUM_PROTOTYPES = 5, 24, 6, (12, 7, 4)

RULES = {
    "released": "released",
    "paper": "paper",
    "zero_own": {"exclude": "own"},
    "absent_batch": {"rejected": "absent"},
    "means": {"instance_reduction": "mean", "local_instance_reduction": "sum"},
    "sums": {
        "instance_reduction": "sum",
        "local_instance_reduction": "mean",
        "prototype_reduction": "sum",
    },
    "fresh": {"local_instance_draws": "fresh", "prototype_reduction": "sum", "exclude": "own"},
}


@pytest.fixture
def hierarchy():
    return random_hierarchy(num_prototypes=NUM_PROTOTYPES, dim=DIM)


@pytest.fixture
def path(hierarchy):
    return hierarchy.path([3, 8, 8, 30, 17])


@pytest.fixture
def queue():
    return NegativeQueue(LENGTH, DIM)


def views(number):
    return [unit_rows(BATCH, DIM, seed=10 + view) for view in range(number)], unit_rows(
        BATCH, DIM, seed=9
    )


def random_draw(hierarchy, seed):
    generator = torch.Generator().manual_seed(seed)
    instances = [torch.rand(BATCH, LENGTH, generator=generator) < 0.6 for _ in hierarchy.prototypes]
    return Draw(
        tuple(instances),
        tuple(
            torch.rand(BATCH, number, generator=generator) < 0.6
            for number in hierarchy.num_prototypes[:-1]
        ),
    )


def plain_info_nce(query, key, queue, temperature):
    return selective_info_nce(
        (query * key).sum(dim=1) / temperature, query @ queue.keys.T / temperature
    )


def training_loss(losses):
    return sum(value for name, value in losses.items() if "loss" in name)


@pytest.mark.parametrize("num_views", [1, 3])
@pytest.mark.parametrize("rule", ["released", "paper"])
def test_without_a_hierarchy_it_is_plain_info_nce_of_every_view(queue, num_views, rule):
    queries, key = views(num_views)
    losses = HCSCHead(temperature=0.1, rule=rule).loss(queries, key, queue)
    expected = [plain_info_nce(query, key, queue, 0.1) for query in queries]
    assert losses["loss_instance"].item() == pytest.approx(expected[0].item(), rel=1e-6)
    assert training_loss(losses).item() == pytest.approx(sum(expected).item(), rel=1e-6)
    assert set(losses) == (
        {"loss_instance"} if num_views == 1 else {"loss_instance", "loss_local_instance"}
    )


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("on_local", [False, True], ids=["query_only", "on_local"])
@pytest.mark.parametrize(
    ("instances", "prototypes"),
    [(True, True), (False, True), (True, False), (False, False)],
    ids=["both", "prototypes", "instances", "neither"],
)
def test_every_rule_equals_the_slow_oracle(
    hierarchy, path, queue, rule, on_local, instances, prototypes
):
    queries, key = views(3)
    draws = [random_draw(hierarchy, seed) for seed in range(3)]
    head = HCSCHead(
        temperature=0.3,
        select_instances=instances,
        select_prototypes=prototypes,
        select_on_local=on_local,
        rule=rule,
    )
    losses = head.loss(queries, key, queue, hierarchy, path, draws)
    instance, prototype = oracles.hcsc_losses(
        queries,
        key,
        queue.keys,
        hierarchy,
        path,
        draws,
        options=dataclasses.asdict(LossRule.build(rule)),
        temperature=0.3,
        instances=instances,
        prototypes=prototypes,
        on_local=on_local,
    )
    assert losses["loss_instance"].item() == pytest.approx(instance[0], rel=1e-5)
    assert losses["loss_prototype"].item() == pytest.approx(prototype[0], rel=1e-5)
    assert losses["loss_local_instance"].item() == pytest.approx(sum(instance[1:]), rel=1e-5)
    assert losses["loss_local_prototype"].item() == pytest.approx(sum(prototype[1:]), rel=1e-5)


@pytest.mark.parametrize("num_prototypes", [(6,), (6, 3)])
@pytest.mark.parametrize("rule", ["released", "paper"])
def test_fewer_levels_equal_the_slow_oracle(queue, num_prototypes, rule):
    hierarchy = random_hierarchy(num_prototypes=num_prototypes, dim=DIM)
    path, draws = hierarchy.path([0, 1, 2, 3, 4]), [random_draw(hierarchy, 0)]
    queries, key = views(1)
    losses = HCSCHead(rule=rule).loss(queries, key, queue, hierarchy, path, draws)
    options = dataclasses.asdict(LossRule.build(rule))
    instance, prototype = oracles.hcsc_losses(
        queries, key, queue.keys, hierarchy, path, draws, options=options, temperature=0.2
    )
    assert training_loss(losses).item() == pytest.approx(instance[0] + prototype[0], rel=1e-5)


def test_the_last_prototype_of_a_level_is_a_negative_like_any_other(hierarchy, path, queue):
    queries, key = views(1)
    head = HCSCHead(select_prototypes=False)
    assert 11 not in path[0]
    with_it = head.loss(queries, key, queue, hierarchy, path)["loss_prototype"]
    prototypes = list(hierarchy.prototypes)
    prototypes[0] = torch.cat([prototypes[0][:-1], -prototypes[0][-1:]])
    without_it = head.loss(
        queries, key, queue, dataclasses.replace(hierarchy, prototypes=tuple(prototypes)), path
    )["loss_prototype"]
    assert abs(with_it - without_it) > 1e-4


def test_a_level_with_only_positives_of_the_batch_adds_nothing_under_the_released_rule(
    queue,
):
    hierarchy = random_hierarchy(num_prototypes=(3,), dim=DIM)
    hierarchy = dataclasses.replace(hierarchy, assignment=torch.arange(40) % 3)
    queries, key = views(1)
    path = hierarchy.path([0, 1, 2, 3, 4])
    assert (
        HCSCHead(rule="released")
        .loss(queries, key, queue, hierarchy, path)["loss_prototype"]
        .item()
        == 0
    )
    assert (
        HCSCHead(rule="paper").loss(queries, key, queue, hierarchy, path)["loss_prototype"].item()
        > 0
    )


def test_without_selection_on_local_views_they_have_plain_info_nce_and_no_draws(
    hierarchy, path, queue
):
    queries, key = views(3)
    head = HCSCHead(select_on_local=False)
    losses = head.loss(queries, key, queue, hierarchy, path)
    expected = sum(plain_info_nce(query, key, queue, 0.2) for query in queries[1:])
    assert losses["loss_local_instance"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert [
        (len(draw.instances), len(draw.prototypes))
        for draw in head.draw(3, queue.keys, queue, hierarchy, path)
    ] == [
        (3, 2),
        (0, 0),
        (0, 0),
    ]


@pytest.mark.parametrize("draws", ["shared", "fresh"])
def test_local_views_share_the_instance_draws_or_not_and_always_have_their_own_of_prototypes(
    hierarchy, path, queue, draws
):
    head = HCSCHead(select_on_local=True, rule={"local_instance_draws": draws})
    first, *others = head.draw(3, queue.keys, queue, hierarchy, path)
    for other in others:
        same = all(
            torch.equal(one, two) for one, two in zip(first.instances, other.instances, strict=True)
        )
        assert same == (draws == "shared")
        assert not all(
            torch.equal(one, two)
            for one, two in zip(first.prototypes, other.prototypes, strict=True)
        )


@pytest.mark.parametrize("given", [0, 1, 3])
def test_the_number_of_draws_must_be_that_of_the_views(hierarchy, path, queue, given):
    queries, key = views(2)
    with pytest.raises(HCSCError, match=f"2 views need as many draws, got {given}"):
        HCSCHead().loss(queries, key, queue, hierarchy, path, [random_draw(hierarchy, 0)] * given)


@pytest.mark.parametrize("cached", [True, False], ids=["queue", "plain_keys"])
def test_draws_keep_each_negative_as_often_as_its_probability_says(hierarchy, queue, cached):
    repeats = 4000
    path = hierarchy.path([3] * repeats)
    if cached:
        queue.set_hierarchy(hierarchy)
    source = queue if cached else queue.keys
    (draw,) = HCSCHead().draw(1, queue.keys, source, hierarchy, path)
    bound = 5 * 0.5 / repeats**0.5  # five standard deviations of a share
    for level, keep in enumerate(draw.instances):
        anchors = path[level][:1]
        expected = keep_probability(
            queue.keys,
            hierarchy.prototypes[level],
            hierarchy.concentrations[level],
            anchors,
            clamp=(0.0, 0.999),
        )
        assert (keep.float().mean(dim=0) - expected[0]).abs().max() < bound
    for level, keep in enumerate(draw.prototypes):
        above = (
            hierarchy.prototypes[level + 1],
            hierarchy.concentrations[level + 1],
            path[level + 1][:1],
        )
        expected = keep_probability(hierarchy.prototypes[level], *above, clamp=(0.0001, 0.999))
        assert (keep.float().mean(dim=0) - expected[0]).abs().max() < bound


def test_queries_draw_independently_of_each_other(hierarchy, queue):
    (draw,) = HCSCHead().draw(1, queue.keys, queue, hierarchy, hierarchy.path([3, 3]))
    assert any(not torch.equal(keep[0], keep[1]) for keep in draw.instances)


def test_the_same_random_state_draws_the_same_with_and_without_kept_denominators(
    hierarchy, path, queue
):
    queue.set_hierarchy(hierarchy)
    queries, key = views(1)
    torch.manual_seed(5)
    one = HCSCHead().loss(queries, key, queue, hierarchy, path)
    torch.manual_seed(5)
    other = HCSCHead().loss(queries, key, queue.keys, hierarchy, path)
    assert training_loss(one).item() == pytest.approx(training_loss(other).item(), rel=1e-6)


def test_kept_shares_are_logged_but_not_trained_on(hierarchy, path, queue):
    queries, key = views(2)
    draws = [random_draw(hierarchy, seed) for seed in range(2)]
    losses = HCSCHead(select_on_local=True).loss(queries, key, queue, hierarchy, path, draws)
    for level in range(3):
        assert losses[f"kept_instances_level{level}"] == draws[0].instances[level].float().mean()
    assert "kept_prototypes_level1" in losses
    assert "kept_prototypes_level2" not in losses
    trained = {"loss_instance", "loss_prototype", "loss_local_instance", "loss_local_prototype"}
    assert {name for name in losses if "loss" in name} == trained


def test_gradient_flows_to_every_query_and_to_nothing_else(hierarchy, path, queue):
    queries, key = views(2)
    queries = [query.requires_grad_() for query in queries]
    keys = queue.keys.clone().requires_grad_()
    training_loss(
        HCSCHead(select_on_local=True).loss(queries, key, keys, hierarchy, path)
    ).backward()
    for query in queries:
        assert query.grad.norm(dim=1).min() > 0
    assert keys.grad is None


def test_enqueueing_before_the_backward_pass_changes_no_gradient(hierarchy, path, queue):
    gradients = []
    for enqueue_first in (False, True):
        queries, key = views(1)
        queries[0].requires_grad_()
        fresh = NegativeQueue(LENGTH, DIM)
        fresh.load_state_dict(queue.state_dict())
        loss = training_loss(
            HCSCHead().loss(queries, key, fresh, hierarchy, path, [random_draw(hierarchy, 0)])
        )
        if enqueue_first:
            fresh.enqueue(key)
        loss.backward()
        gradients.append(queries[0].grad)
    assert torch.equal(*gradients)


def test_losses_under_autocast_are_those_in_float32(hierarchy, path, queue):
    queries, key = views(2)
    draws = [random_draw(hierarchy, seed) for seed in range(2)]
    head = HCSCHead(select_on_local=True)
    plain = head.loss(queries, key, queue, hierarchy, path, draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = head.loss(queries, key, queue, hierarchy, path, draws)
    for name, value in plain.items():
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == pytest.approx(value.item(), rel=1e-6)
