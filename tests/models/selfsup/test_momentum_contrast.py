"""The base of all methods: symmetric or not."""

import pytest
import torch
from cases import random_hierarchy, tiny_hcsc, tiny_moco
from mmpretrain.structures import DataSample

from hcsc_mm.models import ClusterSelection
from hcsc_mm.structures import ClustersImages, ContrastsKeys

SAMPLES = [DataSample(metainfo={"sample_idx": index}) for index in range(4)]


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


def test_it_has_keys_and_clusters_nothing():
    assert isinstance(tiny_moco(), ContrastsKeys)
    assert not isinstance(tiny_moco(), ClustersImages)
    assert isinstance(tiny_hcsc(), ClustersImages)
