"""A frozen backbone and a line on its features."""

import pytest
import torch
from labelled import tiny_resnet
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import LinearProbe, ProjectionNeck, pool


def probe(backbone, in_channels=32, num_classes=4):
    return LinearProbe(
        backbone,
        head=dict(
            type="mmpretrain.LinearClsHead", num_classes=num_classes, in_channels=in_channels
        ),
    )


def transformer():
    return MODELS.build(
        dict(
            type="mmpretrain.VisionTransformer",
            arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=24),
            img_size=16,
            patch_size=8,
            drop_rate=0.5,
            out_type="avg_featmap",
        )
    )


class Vector(nn.Module):
    """A backbone that ends in a vector, with dropout and batch norm."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)
        )

    def forward(self, images):
        return self.layers(images)


BACKBONES = pytest.mark.parametrize(
    ("backbone", "channels"), [(tiny_resnet, 32), (transformer, 24), (Vector, 8)]
)


@BACKBONES
def test_features_are_pooled_and_independent_of_mode_and_batch(backbone, channels):
    model, images = probe(backbone(), channels), torch.randn(6, 3, 16, 16)
    model.train()
    features = model.extract_feat(images, stage="pre_logits")
    assert features.shape == (6, channels)
    model.eval()
    torch.testing.assert_close(model.extract_feat(images[:2], stage="pre_logits"), features[:2])


@BACKBONES
def test_only_the_head_gets_gradients_and_no_statistic_moves(backbone, channels):
    model = probe(backbone(), channels)
    model.train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    samples = [DataSample().set_gt_label(label) for label in (0, 1, 2, 3)]
    model.loss(torch.randn(4, 3, 16, 16), samples)["loss"].backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is not None} == {
        "head.fc.weight",
        "head.fc.bias",
    }
    assert all(
        torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items()
    )
    assert model.training and model.head.training
    assert not any(module.training for module in model.backbone.modules())


def test_scores_are_the_line_on_the_averaged_map():
    model, images = probe(tiny_resnet()), torch.randn(3, 3, 16, 16)
    expected = (
        model.backbone(images)[-1].flatten(2).mean(2) @ model.head.fc.weight.T + model.head.fc.bias
    )
    torch.testing.assert_close(model(images, mode="tensor"), expected)
    torch.testing.assert_close(
        torch.stack([sample.pred_score for sample in model.predict(images)]), expected.softmax(1)
    )


def test_head_starts_as_in_moco():
    model = probe(tiny_resnet(), num_classes=500)
    model.init_weights()
    assert float(model.head.fc.weight.detach().std()) == pytest.approx(0.01, rel=0.03)
    assert float(model.head.fc.bias.detach().abs().max()) == 0


def test_width_that_does_not_fit_is_refused_with_what_to_set():
    with pytest.raises(
        HCSCError,
        match=(
            r"in_channels=64, the backbone gives \(2, 32\) after pooling; set "
            r"model.head.in_channels"
        ),
    ):
        probe(tiny_resnet(), in_channels=64)(torch.randn(2, 3, 16, 16), mode="tensor")
    with pytest.raises(HCSCError, match="stage='last' is unknown"):
        probe(tiny_resnet()).extract_feat(torch.randn(2, 3, 16, 16), stage="last")


def test_backbones_outputs_are_given_as_they_are_on_request():
    (features,) = probe(tiny_resnet()).extract_feat(torch.randn(2, 3, 64, 64), stage="backbone")
    assert features.shape == (2, 32, 2, 2)


@pytest.mark.parametrize("shape", [(3, 6), (3, 7, 6), (3, 6, 2, 5)])
def test_pooling_is_the_projection_necks(shape):
    features, neck = torch.randn(shape), ProjectionNeck(6, num_layers=1)
    torch.testing.assert_close(
        nn.functional.normalize(neck.mlp(pool([features])), dim=1), neck(features)
    )
