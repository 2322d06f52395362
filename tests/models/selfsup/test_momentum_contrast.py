"""The base of all methods: symmetric or not, and what it refuses to be trained on."""

import pytest
import torch
from cases import random_hierarchy, tiny_hcsc
from mmpretrain.structures import DataSample
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import (
    ClusterSelection,
    InfoNCEHead,
    MomentumContrast,
    ProjectionNeck,
    SplitBatchNorm2d,
)
from hcsc_mm.structures import ClustersImages, ContrastsKeys

SAMPLES = [DataSample(metainfo={"sample_idx": index}) for index in range(4)]


def tiny_moco(norm=None, **options) -> MomentumContrast:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity() if norm is None else norm, nn.ReLU())
    model = MomentumContrast(
        backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), **{"queue_len": 32, **options}
    )
    model.init_weights()
    return model


def test_symmetric_loss_is_the_sum_of_both_directions_against_the_same_queue():
    model, views = tiny_moco(symmetric=True), list(torch.randn(2, 4, 3, 6, 6))
    queue = model.queue.keys.clone()
    loss = model.loss(views, SAMPLES)["loss_instance"]
    expected = sum(
        model.head.loss([model.encode_query(one)], model.encode_key(other), queue)["loss_instance"]
        for one, other in (views, views[::-1])
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_symmetric_loss_keeps_the_keys_of_both_views_the_last_in_order_of_the_images():
    model, views = tiny_moco(symmetric=True), list(torch.randn(2, 4, 3, 6, 6))
    model.loss(views, SAMPLES)
    assert int(model.queue.pointer) == 8
    torch.testing.assert_close(model.newest_keys(4), model.encode_key(views[0]))
    torch.testing.assert_close(model.newest_keys(8)[:4], model.encode_key(views[1]))


def test_hcsc_is_symmetric_by_the_same_option():
    keep_all = ClusterSelection(instances=False, prototypes=False)
    model = tiny_hcsc(batch_norm=False, rule="paper", selection=keep_all)
    model.init_weights()
    model.set_hierarchy(random_hierarchy(dim=8))
    images, pointer = torch.randn(4, 3, 6, 6), int(model.queue.pointer)
    alone = {
        name: value.item()
        for name, value in model.loss([images, images], SAMPLES).items()
        if "prototype" in name
    }
    model.symmetric = True
    both = model.loss([images, images], SAMPLES)
    assert both["loss_prototype"].item() == pytest.approx(2 * alone["loss_prototype"], rel=1e-5)
    assert int(model.queue.pointer) == (pointer + 12) % 32


def test_symmetric_loss_takes_two_views():
    with pytest.raises(HCSCError, match=r"trains on two views, and the pipeline gives 3"):
        tiny_moco(symmetric=True).loss([torch.randn(4, 3, 6, 6)] * 3, SAMPLES)


@pytest.mark.parametrize(
    ("symmetric", "batch", "message"),
    [
        (False, 33, "total batch 33 × 1 = 33 exceeds the queue length 32"),
        (True, 17, "total batch 17 × 1 = 17, twice with symmetric=True, exceeds .* at least 34"),
    ],
)
def test_a_step_that_does_not_fit_into_the_queue_is_refused_before_it(symmetric, batch, message):
    with pytest.raises(HCSCError, match=message):
        tiny_moco(symmetric=symmetric).check_training(1000, batch)


@pytest.mark.parametrize(("num_images", "warned"), [(100, False), (41, False), (40, True)])
def test_a_queue_as_long_as_an_epoch_is_warned_of(num_images, warned):
    warnings = tiny_moco().check_training(num_images, 8)
    assert any("queue of 32 keys" in warning for warning in warnings) == warned
    assert len(warnings) == warned


@pytest.mark.parametrize(
    ("norm", "warned"),
    [(None, False), (nn.BatchNorm2d(4), True), (SplitBatchNorm2d(4, 2), False)],
    ids=["none", "shared", "split"],
)
def test_statistics_that_query_and_key_share_on_one_process_are_warned_of(norm, warned):
    warnings = tiny_moco(norm).check_training(1000, 8)
    assert any("share their batch-norm statistics" in warning for warning in warnings) == warned


def test_it_has_keys_and_clusters_nothing():
    assert isinstance(tiny_moco(), ContrastsKeys)
    assert not isinstance(tiny_moco(), ClustersImages)
    assert isinstance(tiny_hcsc(), ClustersImages)
