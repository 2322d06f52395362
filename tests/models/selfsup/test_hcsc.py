"""The model: encoders, queue, checkpoints."""

import pytest
import torch
from cases import random_hierarchy, tiny_hcsc
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.structures import DataSample
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import ClusterSelection


def samples(*indices):
    return [DataSample(metainfo={"sample_idx": index}) for index in indices]


def train_step(model, batch=4, views=2):
    inputs = [torch.randn(batch, 3, 6, 6) for _ in range(views)]
    losses = model.loss(inputs, samples(*range(batch)))
    return losses, sum(value for name, value in losses.items() if "loss" in name)


def assert_key_is_query(model):
    key = model.momentum_encoder.encoder.state_dict()
    query = nn.Sequential(model.backbone, model.neck).state_dict()
    assert query.keys() == key.keys()
    assert all(torch.equal(value, key[name]) for name, value in query.items())


def test_init_weights_makes_the_key_encoder_equal_to_the_query_encoder():
    model = tiny_hcsc()
    nn.init.normal_(model.backbone[0].weight)
    model.backbone[1].running_mean.add_(1)
    model.init_weights()
    assert_key_is_query(model)


@pytest.mark.parametrize(
    "load",
    [lambda m, s: m.load_state_dict(s, strict=False), load_state_dict],
    ids=["torch", "mmengine"],
)
def test_weights_without_a_key_encoder_make_it_follow_the_query_encoder(load):
    model, other = tiny_hcsc(), tiny_hcsc()
    load(
        model,
        {
            name: value
            for name, value in other.state_dict().items()
            if not name.startswith("momentum_encoder")
        },
    )
    assert torch.equal(model.backbone[0].weight, other.backbone[0].weight)
    assert_key_is_query(model)


@pytest.mark.parametrize(
    "load",
    [lambda m, s: m.load_state_dict(s, strict=False), load_state_dict],
    ids=["torch", "mmengine"],
)
def test_weights_with_a_key_encoder_are_taken_as_they_are(load):
    model, other = tiny_hcsc(), tiny_hcsc()
    other.momentum_encoder.encoder[0][0].weight.add_(1)
    load(model, other.state_dict())
    for name, value in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_state_dict_holds_encoders_and_queue_only_with_or_without_a_hierarchy():
    model = tiny_hcsc()
    before = set(model.state_dict())
    model.set_hierarchy(random_hierarchy(dim=8))
    assert set(model.state_dict()) == before
    assert {name.split(".")[0] for name in before} == {
        "backbone",
        "neck",
        "momentum_encoder",
        "queue",
    }
    assert max(value.numel() for value in model.state_dict().values()) <= 32 * 8


def test_a_step_moves_queue_and_key_encoder_and_gives_gradients_to_the_query_encoder_only():
    model = tiny_hcsc()
    model.set_hierarchy(random_hierarchy(dim=8))
    keys = model.queue.keys.clone()
    _, loss = train_step(model, views=3)
    loss.backward()
    assert int(model.queue.pointer) == 4
    assert not torch.equal(model.queue.keys[:4], keys[:4])
    assert torch.equal(model.queue.keys[4:], keys[4:])
    assert all(
        parameter.grad is not None
        for part in (model.backbone, model.neck)
        for parameter in part.parameters()
    )
    assert all(parameter.grad is None for parameter in model.momentum_encoder.parameters())


def test_a_batch_s_own_keys_are_not_among_its_negatives():
    model = tiny_hcsc(batch_norm=False)
    model.init_weights()
    images = torch.randn(4, 3, 6, 6)
    before = model.queue.keys.clone()
    loss = model.loss([images, images], samples(0, 1, 2, 3))["loss_instance"]
    query = model.encode_query(images)
    expected = model.head.loss([query], model.encode_key(images), before)["loss_instance"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_statistics_of_the_key_encoder_stay_its_own_while_training():
    model = tiny_hcsc()
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = torch.zeros(4)
    for step in range(3):
        query, key = torch.randn(8, 3, 6, 6) + 5, torch.randn(8, 3, 6, 6) - 5
        loss = model.loss([query, key], samples(*range(8)))["loss_instance"]
        expected = 0.9 * expected + 0.1 * model.momentum_encoder.encoder[0][0](key).mean(
            dim=(0, 2, 3)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert int(model.momentum_encoder.encoder[0][1].num_batches_tracked) == step + 1
    torch.testing.assert_close(
        model.momentum_encoder.encoder[0][1].running_mean, expected, atol=1e-5, rtol=1e-5
    )


def test_paths_are_looked_up_by_sample_idx():
    hierarchy = random_hierarchy(dim=8)
    selection = ClusterSelection(instances=False, prototypes=False)
    model = tiny_hcsc(batch_norm=False, rule="paper", selection=selection)
    model.init_weights()
    model.set_hierarchy(hierarchy)
    images = torch.randn(3, 3, 6, 6)
    query = model.encode_query(images)
    path = hierarchy.path([30, 2, 11])
    losses = model.head.loss([query], query, model.queue.keys, hierarchy, path)
    expected = losses["loss_prototype"]
    found = model.loss([images, images], samples(30, 2, 11))["loss_prototype"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("option", "kept"), [("instances", "prototypes"), ("prototypes", "instances")]
)
def test_one_option_of_selection_leaves_the_others_as_they_are(option, kept):
    """As ``--cfg-options model.selection.instances=False`` gives it: no config names the type."""
    selection = tiny_hcsc(selection={option: False}).selection
    assert type(selection) is ClusterSelection
    assert (getattr(selection, option), getattr(selection, kept)) == (False, True)


def test_without_a_hierarchy_and_after_taking_it_away_there_is_no_prototype_loss():
    model = tiny_hcsc()
    assert set(train_step(model)[0]) == {"loss_instance"}
    model.set_hierarchy(random_hierarchy(dim=8))
    assert "loss_prototype" in train_step(model)[0]
    model.set_hierarchy(None)
    assert set(train_step(model)[0]) == {"loss_instance"}


def test_shuffling_the_key_batch_changes_no_key():
    model = tiny_hcsc(batch_norm=False)
    images = torch.randn(8, 3, 6, 6)
    key, all_keys = model._encode_training_key(images)
    torch.testing.assert_close(key, model.encode_key(images))
    torch.testing.assert_close(all_keys, key)  # one process has them all


@pytest.mark.parametrize(
    "inputs", [torch.zeros(4, 3, 6, 6), [torch.zeros(4, 3, 6, 6)]], ids=["one_batch", "one_view"]
)
def test_a_single_view_is_refused_with_what_to_use(inputs):
    with pytest.raises(HCSCError, match=r"at least two views .*MultiView"):
        tiny_hcsc().loss(inputs, samples(0, 1, 2, 3))


def test_a_batch_larger_than_the_queue_is_refused():
    with pytest.raises(HCSCError, match="total batch 4 exceeds the queue length 3"):
        train_step(tiny_hcsc(queue_len=3))


def test_modes_of_the_base_class_work():
    model = tiny_hcsc()
    assert model(torch.zeros(2, 3, 6, 6), mode="tensor").shape == (2, 4, 4, 4)
    assert set(model([torch.randn(2, 3, 6, 6)] * 2, samples(0, 1), mode="loss")) == {
        "loss_instance"
    }
