"""Networks without batch norm: no batch tells its images by statistics; nothing is kept apart."""

import pytest
import torch
from mmpretrain.structures import DataSample

from hcsc_mm.models import MomentumContrast, TIMMBackbone

VIT = dict(
    model_name="vit_tiny_patch16_224",
    img_size=32,
    patch_size=8,
    embed_dim=16,
    depth=2,
    num_heads=2,
)
CONVNEXT = dict(model_name="convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
CONVNEXT_V2 = CONVNEXT | dict(model_name="convnextv2_atto")
BATCH_NORM = dict(model_name="resnet18")


def contrast(backbone, **options):
    backbone = TIMMBackbone(**backbone, **options)
    channels = backbone.timm_model.num_features
    neck = dict(type="hcsc_mm.ProjectionNeck", in_channels=channels, out_channels=8)
    head = dict(type="hcsc_mm.InfoNCEHead")
    return MomentumContrast(backbone, neck, head, queue_len=16).train()


def draws_in_a_step(model):
    """Whether a step draws random numbers."""
    views = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    before = torch.get_rng_state()
    model.loss(views, [DataSample() for _ in range(4)])
    return not torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("backbone", "takes"),
    [(VIT, False), (CONVNEXT, False), (CONVNEXT_V2, False), (BATCH_NORM, True)],
)
def test_keys_are_shuffled_and_shared_statistics_warned_of_only_where_there_are_any(
    backbone, takes
):
    model = contrast(backbone)
    assert draws_in_a_step(model) == takes
    warnings = model.check_training(num_images=1000, total_batch=4)
    assert any("batch-norm statistics" in one for one in warnings) == takes


def test_frozen_statistics_are_not_shuffled_either():
    assert not draws_in_a_step(contrast(BATCH_NORM, norm_eval=True))


def test_stochastic_depth_and_dropout_are_the_querys_alone():
    model = contrast(VIT, drop_path_rate=0.5, proj_drop_rate=0.5)
    images = torch.randn(4, 3, 32, 32)
    key = model.encode_key(images)
    assert model.momentum_encoder.training and torch.equal(key, model.encode_key(images))
    assert not torch.equal(model.encode_query(images), model.encode_query(images))
    torch.testing.assert_close(model.eval().encode_query(images), key)


def test_the_key_of_an_image_does_not_depend_on_its_batch():
    model = contrast(VIT)
    images = torch.randn(4, 3, 32, 32)
    key, keys = model._encode_training_key(images)
    torch.testing.assert_close(key, keys)
    torch.testing.assert_close(key[:1], model.encode_key(images[:1]))


def test_batch_norms_of_a_key_encoder_collect_statistics_unless_they_are_frozen():
    for options, moves in (({}, True), (dict(frozen_stages=1), False)):
        model = contrast(BATCH_NORM, **options)
        norm = model.momentum_encoder.encoder[0].timm_model.bn1
        before = norm.running_mean.clone()
        draws_in_a_step(model)
        assert torch.equal(norm.running_mean, before) != moves
