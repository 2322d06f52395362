"""HCSC's rule of selection: what it keeps, what it draws, and that it stays exact."""

import numpy as np
import pytest
import torch
from cases import random_hierarchy, tiny_hcsc, unit_rows
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import ClusterSelection, NegativeQueue, keep_probability, log_partition
from hcsc_mm.models.selection import kept_shares

LENGTH, DIM, NUM_PROTOTYPES = 24, 6, (12, 7, 4)


@pytest.fixture
def hierarchy():
    return random_hierarchy(num_prototypes=NUM_PROTOTYPES, dim=DIM)


@pytest.fixture
def path(hierarchy):
    return hierarchy.path([3, 8, 8, 30, 17])


@pytest.fixture
def keys():
    return unit_rows(LENGTH, DIM, seed=1)


def selection_by(hierarchy, keys, **options):
    selection = ClusterSelection(**options)
    selection.set_hierarchy(hierarchy, keys)
    return selection


def known_of(selection):
    return selection.resume_state()["log_partition"]


def assert_denominators_are_of(keys, selection, hierarchy):
    known = known_of(selection)
    assert len(known) == hierarchy.num_levels
    for level, found in enumerate(known):
        of_level = hierarchy.prototypes[level], hierarchy.concentrations[level]
        torch.testing.assert_close(found, log_partition(keys, *of_level))


@pytest.mark.parametrize("batch", [1, 4, 10])
def test_denominators_stay_exact_over_many_batches(batch):
    hierarchy, queue = random_hierarchy(), NegativeQueue(10, 6)
    selection = selection_by(hierarchy, queue.keys)
    for step in range(25):
        slots = queue.enqueue(unit_rows(batch, 6, seed=step))
        selection.renew(slots, queue.keys[slots])
        assert_denominators_are_of(queue.keys, selection, hierarchy)


def test_denominators_follow_a_new_hierarchy_of_other_numbers_and_go_with_none(keys):
    selection = ClusterSelection()
    assert known_of(selection) == []
    for hierarchy in (random_hierarchy(), random_hierarchy(num_prototypes=(5, 2), seed=4)):
        selection.set_hierarchy(hierarchy, keys)
        assert_denominators_are_of(keys, selection, hierarchy)
    selection.set_hierarchy(None, keys)
    selection.renew(torch.tensor([0, 1]), keys[:2])
    assert known_of(selection) == []
    assert selection.hierarchy is None


@pytest.mark.parametrize(
    "load", [nn.Module.load_state_dict, load_state_dict], ids=["torch", "mmengine"]
)
def test_denominators_follow_keys_that_are_loaded(load):
    hierarchy, model, other = random_hierarchy(dim=8), tiny_hcsc(), tiny_hcsc()
    model.set_hierarchy(hierarchy)
    other.enqueue(unit_rows(3, 8))
    load(model, other.state_dict())
    assert torch.equal(model.queue.keys, other.queue.keys)
    assert_denominators_are_of(model.queue.keys, model.selection, hierarchy)


def test_denominators_of_prototypes_are_over_the_level_above(hierarchy, keys):
    selection = selection_by(hierarchy, keys)
    for level, known in enumerate(selection._known.of_prototypes):
        for child, value in zip(hierarchy.prototypes[level].double(), known, strict=True):
            above = zip(
                hierarchy.prototypes[level + 1].double(),
                hierarchy.concentrations[level + 1].double(),
                strict=True,
            )
            expected = np.log(sum(np.exp(float(child @ c) / float(phi)) for c, phi in above))
            assert value.item() == pytest.approx(expected, abs=1e-5)


def test_it_has_no_state_of_a_state_dict(hierarchy, keys):
    selection = selection_by(hierarchy, keys)
    assert list(selection.state_dict()) == list(selection.parameters()) == []


def test_a_resumed_run_gets_the_denominators_to_the_last_bit(hierarchy, keys):
    trained, resumed = selection_by(hierarchy, keys), selection_by(hierarchy, keys)
    trained.renew(torch.arange(3), keys[:3] + 1e-4)
    resumed.load_resume_state(trained.resume_state())
    for one, other in zip(known_of(trained), known_of(resumed), strict=True):
        assert torch.equal(one, other)


def test_state_of_another_number_of_levels_is_left_alone(hierarchy, keys):
    other = selection_by(random_hierarchy(num_prototypes=(5, 2)), keys)
    selection = selection_by(hierarchy, keys)
    selection.load_resume_state(other.resume_state())
    assert_denominators_are_of(keys, selection, hierarchy)


@pytest.mark.parametrize("local", [False, True], ids=["query_only", "on_local"])
@pytest.mark.parametrize("prototypes", [False, True], ids=["all_prototypes", "prototypes"])
@pytest.mark.parametrize("instances", [False, True], ids=["all_instances", "instances"])
def test_views_draw_what_the_options_say(hierarchy, keys, path, instances, prototypes, local):
    selection = selection_by(
        hierarchy, keys, instances=instances, prototypes=prototypes, local_instances=local
    )
    query, *locals_ = selection.draw(keys, path, 3)
    assert len(query.instances) == (3 if instances else 0)
    assert len(query.prototypes) == (2 if prototypes else 0)
    for view in locals_:
        assert len(view.instances) == (3 if instances and local else 0)
        # Released: prototype negatives of local views are drawn all the same.
        assert len(view.prototypes) == (2 if prototypes else 0)


def test_local_views_share_the_instance_draws_and_have_their_own_of_prototypes(
    hierarchy, keys, path
):
    selection = selection_by(hierarchy, keys, local_instances=True)
    first, *others = selection.draw(keys, path, 3)
    for other in others:
        for one, two in zip(first.instances, other.instances, strict=True):
            assert torch.equal(one, two)
        assert not all(
            torch.equal(one, two)
            for one, two in zip(first.prototypes, other.prototypes, strict=True)
        )


def test_draws_keep_each_negative_as_often_as_its_probability_says(hierarchy, keys):
    repeats = 4000
    path = hierarchy.path([3] * repeats)
    (draw,) = selection_by(hierarchy, keys).draw(keys, path, 1)
    bound = 5 * 0.5 / repeats**0.5  # five standard deviations of a share
    for level, keep in enumerate(draw.instances):
        of_level = hierarchy.prototypes[level], hierarchy.concentrations[level]
        expected = keep_probability(keys, *of_level, path[level][:1], clamp=(0.0, 0.999))
        assert (keep.float().mean(dim=0) - expected[0]).abs().max() < bound
    for level, keep in enumerate(draw.prototypes):
        above = hierarchy.prototypes[level + 1], hierarchy.concentrations[level + 1]
        anchor, children = path[level + 1][:1], hierarchy.prototypes[level]
        expected = keep_probability(children, *above, anchor, clamp=(0.0001, 0.999))
        assert (keep.float().mean(dim=0) - expected[0]).abs().max() < bound


def test_queries_draw_independently_of_each_other(hierarchy, keys):
    (draw,) = selection_by(hierarchy, keys).draw(keys, hierarchy.path([3, 3]), 1)
    assert any(not torch.equal(keep[0], keep[1]) for keep in draw.instances)


def test_without_a_hierarchy_there_is_nothing_to_draw_by(keys, path):
    with pytest.raises(HCSCError, match="call set_hierarchy first"):
        ClusterSelection().draw(keys, path, 1)


@pytest.mark.parametrize("num_keys", [1, 30, 5000])
def test_keep_share_is_the_mean_over_all_pairs_of_key_and_image(num_keys):
    hierarchy, keys = random_hierarchy(), unit_rows(num_keys, 6, seed=3)
    path = hierarchy.path(torch.arange(hierarchy.num_samples))
    found = selection_by(hierarchy, keys).keep_shares()
    assert list(found) == [f"level{level}/keep_probability" for level in range(3)]
    for level, share in enumerate(found.values()):
        of_level = hierarchy.prototypes[level], hierarchy.concentrations[level]
        pairs = keep_probability(keys, *of_level, path[level], clamp=(0.0, 1.0))
        assert share == pytest.approx(pairs.double().mean().item(), abs=1e-5)


def test_kept_shares_of_a_draw_are_for_the_log_alone(hierarchy, keys, path):
    (draw,) = selection_by(hierarchy, keys).draw(keys, path, 1)
    shares = kept_shares(draw)
    for level in range(3):
        assert shares[f"kept_instances_level{level}"] == draw.instances[level].float().mean()
    assert "kept_prototypes_level1" in shares
    assert "kept_prototypes_level2" not in shares
    assert not any("loss" in name for name in shares)
