"""From whatever a backbone returns to a unit-length embedding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import ProjectionNeck, SplitBatchNorm1d


@pytest.fixture
def neck():
    return ProjectionNeck(6, hid_channels=10, out_channels=4)


def expected(neck, vector):
    first, _, second = neck.mlp
    return F.normalize(second(F.relu(first(vector))), dim=1)


@pytest.mark.parametrize(
    ("shape", "positions"),
    [((3, 6), ()), ((3, 7, 6), (1,)), ((3, 6, 2, 5), (2, 3)), ((3, 6, 1, 1), (2, 3))],
    ids=["vector", "tokens", "map", "map_of_one"],
)
@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: (x,), lambda x: [torch.zeros(3, 9), x]],
    ids=["plain", "tuple", "last_of_list"],
)
def test_every_kind_of_feature_is_averaged_projected_and_scaled(neck, shape, positions, wrap):
    features = torch.randn(shape)
    embedding = neck(wrap(features))
    vector = features.mean(dim=positions) if positions else features
    torch.testing.assert_close(embedding, expected(neck, vector))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 2, 2), (3, 6, 5), (6,), (3, 6, 2, 2, 2)])
def test_features_that_do_not_fit_are_refused_with_what_to_set(neck, shape):
    with pytest.raises(HCSCError, match=r"in_channels=6\).*set in_channels"):
        neck(torch.zeros(shape))


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_number_of_layers_counts_the_linear_ones(num_layers):
    neck = ProjectionNeck(6, 10, 4, num_layers=num_layers)
    widths = [
        (layer.in_features, layer.out_features)
        for layer in neck.mlp
        if isinstance(layer, nn.Linear)
    ]
    assert (
        widths == {1: [(6, 4)], 2: [(6, 10), (10, 4)], 3: [(6, 10), (10, 10), (10, 4)]}[num_layers]
    )
    assert neck.out_channels == 4


def test_hidden_width_is_that_of_the_input_unless_told():
    assert ProjectionNeck(6).mlp[0].out_features == 6
    assert ProjectionNeck(6).out_channels == 128


def test_no_layers_are_refused():
    with pytest.raises(HCSCError, match="num_layers=0 must be at least 1"):
        ProjectionNeck(6, num_layers=0)


def test_embedding_under_autocast_is_float32_of_unit_length(neck):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedding = neck(torch.randn(3, 6, 2, 2))
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3), atol=1e-6, rtol=0)


def test_input_is_left_as_it_was(neck):
    features = torch.randn(3, 6)
    copy = features.clone()
    neck(features)
    assert torch.equal(features, copy)


SPLIT = {"type": "hcsc_mm.SplitBatchNorm1d", "num_splits": 2}


def test_a_norm_stands_before_each_relu():
    neck = ProjectionNeck(6, 10, 4, num_layers=3, norm_cfg=SPLIT)
    kinds = [type(layer) for layer in neck.mlp]
    hidden = [nn.Linear, SplitBatchNorm1d, nn.ReLU]
    assert kinds == [*hidden, *hidden, nn.Linear]
    assert [layer.num_features for layer in neck.mlp if isinstance(layer, SplitBatchNorm1d)] == [
        10,
        10,
    ]


def test_the_last_norm_takes_out_what_embeddings_of_a_part_have_in_common():
    neck = ProjectionNeck(6, 10, 4, norm_cfg=SPLIT, norm_last=True)
    assert neck.mlp[-1].weight is None
    features = torch.randn(8, 6) + 20
    embedding = neck(features)
    raw = neck.mlp[:-1](features)  # before the last norm
    for part in (slice(0, None, 2), slice(1, None, 2)):
        spread = raw[part].var(dim=0, correction=0)
        even = (raw[part] - raw[part].mean(dim=0)) / (spread + 1e-5).sqrt()
        torch.testing.assert_close(embedding[part], F.normalize(even, dim=1), atol=1e-5, rtol=1e-5)


def test_a_last_norm_of_no_kind_is_refused():
    with pytest.raises(HCSCError, match="norm_last=True of ProjectionNeck needs a norm_cfg"):
        ProjectionNeck(6, norm_last=True)
