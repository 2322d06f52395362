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
    selective_info_nce,
)
from hcsc_mm.models.contrasts import InfoNCE

BATCH, LENGTH, DIM, NUM_PROTOTYPES = 5, 24, 6, (12, 7, 4)

RULES = {
    "released": "released",
    "paper": "paper",
    "zero_own": {"exclude": "own"},
    "absent_batch": {"rejected": "absent"},
    "means": {"instance_reduction": "mean"},
}


@pytest.fixture
def hierarchy():
    return random_hierarchy(num_prototypes=NUM_PROTOTYPES, dim=DIM)


@pytest.fixture
def path(hierarchy):
    return hierarchy.path([3, 8, 8, 30, 17])


@pytest.fixture
def keys():
    return unit_rows(LENGTH, DIM, seed=1)


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


def plain_info_nce(query, key, keys, temperature):
    return selective_info_nce((query * key).sum(dim=1) / temperature, query @ keys.T / temperature)


def training_loss(losses):
    return sum(value for name, value in losses.items() if "loss" in name)


@pytest.mark.parametrize("num_views", [1, 3])
@pytest.mark.parametrize("rule", ["released", "paper"])
def test_without_a_hierarchy_it_is_plain_info_nce_of_every_view(keys, num_views, rule):
    queries, key = views(num_views)
    losses = HCSCHead(temperature=0.1, rule=rule).loss(queries, key, keys)
    expected = [plain_info_nce(query, key, keys, 0.1) for query in queries]
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
    hierarchy, path, keys, rule, on_local, instances, prototypes
):
    queries, key = views(3)
    drawn = [random_draw(hierarchy, seed) for seed in range(3)]
    draws = [
        Draw(
            draw.instances if instances and (view == 0 or on_local) else (),
            draw.prototypes if prototypes else (),
        )
        for view, draw in enumerate(drawn)
    ]
    losses = HCSCHead(temperature=0.3, rule=rule).loss(queries, key, keys, hierarchy, path, draws)
    instance, prototype = oracles.hcsc_losses(
        queries,
        key,
        keys,
        hierarchy,
        path,
        draws,
        options=dataclasses.asdict(LossRule.build(rule)),
        temperature=0.3,
    )
    assert losses["loss_instance"].item() == pytest.approx(instance[0], rel=1e-5)
    assert losses["loss_prototype"].item() == pytest.approx(prototype[0], rel=1e-5)
    assert losses["loss_local_instance"].item() == pytest.approx(sum(instance[1:]), rel=1e-5)
    assert losses["loss_local_prototype"].item() == pytest.approx(sum(prototype[1:]), rel=1e-5)


@pytest.mark.parametrize("num_prototypes", [(6,), (6, 3)])
@pytest.mark.parametrize("rule", ["released", "paper"])
def test_fewer_levels_equal_the_slow_oracle(keys, num_prototypes, rule):
    hierarchy = random_hierarchy(num_prototypes=num_prototypes, dim=DIM)
    path, draws = hierarchy.path([0, 1, 2, 3, 4]), [random_draw(hierarchy, 0)]
    queries, key = views(1)
    losses = HCSCHead(rule=rule).loss(queries, key, keys, hierarchy, path, draws)
    options = dataclasses.asdict(LossRule.build(rule))
    instance, prototype = oracles.hcsc_losses(
        queries, key, keys, hierarchy, path, draws, options=options, temperature=0.2
    )
    assert training_loss(losses).item() == pytest.approx(instance[0] + prototype[0], rel=1e-5)


def test_the_last_prototype_of_a_level_is_a_negative_like_any_other(hierarchy, path, keys):
    queries, key = views(1)
    head = HCSCHead()
    assert 11 not in path[0]
    with_it = head.loss(queries, key, keys, hierarchy, path)["loss_prototype"]
    prototypes = list(hierarchy.prototypes)
    prototypes[0] = torch.cat([prototypes[0][:-1], -prototypes[0][-1:]])
    without_it = head.loss(
        queries, key, keys, dataclasses.replace(hierarchy, prototypes=tuple(prototypes)), path
    )["loss_prototype"]
    assert abs(with_it - without_it) > 1e-4


def test_a_level_with_only_positives_of_the_batch_adds_nothing_under_the_released_rule(
    keys,
):
    hierarchy = random_hierarchy(num_prototypes=(3,), dim=DIM)
    hierarchy = dataclasses.replace(hierarchy, assignment=torch.arange(40) % 3)
    queries, key = views(1)
    path = hierarchy.path([0, 1, 2, 3, 4])
    assert (
        HCSCHead(rule="released").loss(queries, key, keys, hierarchy, path)["loss_prototype"].item()
        == 0
    )
    assert (
        HCSCHead(rule="paper").loss(queries, key, keys, hierarchy, path)["loss_prototype"].item()
        > 0
    )


@pytest.mark.parametrize("given", [0, 1, 3])
def test_the_number_of_draws_must_be_that_of_the_views(hierarchy, path, keys, given):
    queries, key = views(2)
    with pytest.raises(HCSCError, match=f"2 views need as many draws, got {given}"):
        HCSCHead().loss(queries, key, keys, hierarchy, path, [random_draw(hierarchy, 0)] * given)


def test_gradient_flows_to_every_query_and_to_nothing_else(hierarchy, path, keys):
    queries, key = views(2)
    queries = [query.requires_grad_() for query in queries]
    keys = keys.clone().requires_grad_()
    training_loss(HCSCHead().loss(queries, key, keys, hierarchy, path)).backward()
    for query in queries:
        assert query.grad.norm(dim=1).min() > 0
    assert keys.grad is None


def test_enqueueing_before_the_backward_pass_changes_no_gradient(hierarchy, path, keys):
    gradients = []
    for enqueue_first in (False, True):
        queries, key = views(1)
        queries[0].requires_grad_()
        fresh = NegativeQueue(LENGTH, DIM)
        fresh.keys.copy_(keys)
        loss = training_loss(
            HCSCHead().loss(queries, key, fresh.keys, hierarchy, path, [random_draw(hierarchy, 0)])
        )
        if enqueue_first:
            fresh.enqueue(key)
        loss.backward()
        gradients.append(queries[0].grad)
    assert torch.equal(*gradients)


def test_losses_under_autocast_are_those_in_float32(hierarchy, path, keys):
    queries, key = views(2)
    draws = [random_draw(hierarchy, seed) for seed in range(2)]
    head = HCSCHead()
    plain = head.loss(queries, key, keys, hierarchy, path, draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = head.loss(queries, key, keys, hierarchy, path, draws)
    for name, value in plain.items():
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == pytest.approx(value.item(), rel=1e-6)


def test_without_instance_draws_a_view_has_plain_info_nce(hierarchy, path, keys):
    queries, key = views(3)
    draws = [random_draw(hierarchy, 0), *[Draw((), random_draw(hierarchy, 1).prototypes)] * 2]
    losses = HCSCHead().loss(queries, key, keys, hierarchy, path, draws)
    expected = sum(plain_info_nce(query, key, keys, 0.2) for query in queries[1:])
    assert losses["loss_local_instance"].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("select_instances", "model.selection.instances=False"),
        ("select_prototypes", "model.selection.prototypes=False"),
        ("select_on_local", "model.selection.local_instances=False"),
        ("temprature", "HCSCHead has no option temprature"),
    ],
)
def test_options_that_moved_to_selection_are_refused_with_their_new_place(old, new):
    with pytest.raises(HCSCError, match=new):
        HCSCHead(**{old: False})


def test_a_contrast_that_changes_info_nce_is_asked_for_each_level(hierarchy, path, keys):
    class Doubled(InfoNCE):
        def forward(self, pairs):
            return 2 * super().forward(pairs)

    queries, key = views(1)
    draws = [random_draw(hierarchy, seed=0)]
    plain, doubled = (
        HCSCHead(contrast=contrast).loss(queries, key, keys, hierarchy, path, draws)
        for contrast in (InfoNCE(), Doubled())
    )
    torch.testing.assert_close(doubled["loss_instance"], 2 * plain["loss_instance"])
