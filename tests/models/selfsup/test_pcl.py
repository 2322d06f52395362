"""PCL's prototype loss against loops over numbers, and the model in training."""

import math

import pytest
import torch
from cases import random_hierarchy, unit_rows
from mmpretrain.structures import DataSample
from tiny import tiny_config, train
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.clustering.independent_kmeans import IndependentClusterings, independent_kmeans
from hcsc_mm.models import PCL, InfoNCEHead, ProjectionNeck
from hcsc_mm.models.selfsup.pcl import proto_nce, sample_negatives
from hcsc_mm.structures import ClustersImages


def clusterings(dim=8, numbers=(9, 4)):
    return IndependentClusterings(
        tuple(random_hierarchy(num_prototypes=(k,), dim=dim, seed=k) for k in numbers)
    )


def tiny_pcl(**options) -> PCL:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    return PCL(backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), queue_len=32, **options)


def slow_proto_nce(query, own, prototypes, concentrations, negatives) -> float:
    """Equation 11 of the paper, one query and one prototype after the other, in float64."""
    total = 0.0
    for image, z in enumerate(query.detach().double()):
        terms = [
            math.exp(float(z @ prototypes[c].double()) / float(concentrations[c]))
            for c in [*own.tolist(), *negatives]
        ]
        total -= math.log(terms[image] / sum(terms))
    return total / len(query)


@pytest.mark.parametrize("number", [2, 5, 100])
def test_prototype_loss_equals_the_slow_oracle(number):
    level, query = random_hierarchy(num_prototypes=(12,), dim=6), unit_rows(5, 6, seed=9)
    (own,) = level.path([3, 8, 8, 30, 17])
    drawn, is_negative = sample_negatives(own, 12, number)
    tensors = level.prototypes[0], level.concentrations[0]
    found = proto_nce(query, own, *tensors, (drawn, is_negative))
    negatives = drawn[is_negative].tolist()
    assert len(set(negatives)) == len(negatives) == min(number, 12 - len(set(own.tolist())))
    assert not set(negatives) & set(own.tolist())
    assert found.item() == pytest.approx(slow_proto_nce(query, own, *tensors, negatives), rel=1e-5)


def test_each_negative_is_drawn_equally_often():
    own, counts = torch.tensor([0, 3]), torch.zeros(8)
    for _ in range(3000):
        drawn, is_negative = sample_negatives(own, 8, 2)
        counts[drawn[is_negative]] += 1
    assert counts[own].tolist() == [0, 0]
    others = counts[[1, 2, 4, 5, 6, 7]]
    assert (others - 1000).abs().max() < 5 * math.sqrt(1000 * 2 / 3)


def test_loss_is_that_of_momentum_contrast_and_the_mean_over_clusterings():
    model, images = tiny_pcl(num_negative_prototypes=100), torch.randn(4, 3, 6, 6)
    model.init_weights()
    samples = [DataSample(metainfo={"sample_idx": index}) for index in (30, 2, 11, 5)]
    assert set(model.loss([images, images], samples)) == {"loss_instance"}
    model.set_hierarchy(clusterings())
    losses = model.loss([images, images], samples)
    assert set(losses) == {"loss_instance", "loss_prototype"}
    query, path = model.encode_query(images), model.hierarchy.path([30, 2, 11, 5])
    expected = [
        slow_proto_nce(
            query, own, prototypes, phi, sorted(set(range(len(phi))) - set(own.tolist()))
        )
        for own, prototypes, phi in zip(
            path, model.hierarchy.prototypes, model.hierarchy.concentrations, strict=True
        )
    ]
    assert losses["loss_prototype"].item() == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_clusterings_do_not_depend_on_each_other():
    features = unit_rows(60, 6, seed=4)
    together = independent_kmeans(features, (12, 5), seed=1)
    alone = independent_kmeans(features, (5,), seed=1)
    assert torch.equal(together.path(range(60))[1], alone.path(range(60))[0])
    assert together.num_prototypes == (12, 5)


def test_state_comes_back_and_a_tree_is_refused():
    found, again = clusterings(), IndependentClusterings.from_state_dict(clusterings().state_dict())
    for one, other in zip(found.path(range(40)), again.path(range(40)), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(HCSCError, match="are a tree"):
        IndependentClusterings.from_state_dict(random_hierarchy().state_dict())


def test_hooks_take_it_for_a_model_that_clusters():
    assert isinstance(tiny_pcl(), ClustersImages)


def test_no_negatives_at_all_are_refused():
    with pytest.raises(HCSCError, match="num_negative_prototypes=0 must be at least 1"):
        tiny_pcl(num_negative_prototypes=0)


def test_a_run_clusters_resumes_and_goes_on_with_equal_numbers(tmp_path):
    def config(epochs):
        return tiny_config(
            tmp_path / "run",
            model__type="hcsc_mm.PCL",
            model__head=dict(type="hcsc_mm.InfoNCEHead", _delete_=True),
            train_cfg__max_epochs=epochs,
            param_scheduler=[],
        )

    _, whole = train(config(3))
    for path in (tmp_path / "run").glob("epoch_3.pth"):
        path.unlink()
    cfg = config(3)
    cfg.resume = True
    runner, rest = train(cfg)
    assert whole.loss_names[-1] == {"loss", "loss_instance", "loss_prototype"}
    assert runner.model.hierarchy.num_prototypes == (12, 6, 3)
    assert rest.losses == pytest.approx(whole.losses[-len(rest.losses) :], rel=1e-6)
