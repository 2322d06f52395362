"""Networks of timm: what is frozen stays, and learning rates shrink towards the image."""

import pytest
import torch
import torch.nn.functional as F

from hcsc_mm import HCSCError
from hcsc_mm.models import TIMMBackbone, pool
from hcsc_mm.models.backbones.timm_backbone import mean_and_std, out_channels

timm = pytest.importorskip("timm")
NAME = "resnet18"  # stem and four stages


def step(backbone):
    """Train once; names of parameters and buffers that are others afterwards."""
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([w for w in backbone.parameters() if w.requires_grad], lr=1.0)
    (features,) = backbone(torch.randn(4, 3, 32, 32))
    (features * torch.randn_like(features)).sum().backward()
    optimizer.step()
    after = backbone.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_frozen_stages_keep_weights_and_statistics_and_others_move():
    backbone = TIMMBackbone(NAME, frozen_stages=3).train()  # stem, layer1, layer2
    moved = step(backbone)
    assert not [
        name
        for name in moved
        if ".layer1." in name or ".layer2." in name or (".bn1" in name and ".layer" not in name)
    ]
    assert (
        "timm_model.layer3.0.downsample.0.weight" in moved
    )  # timm starts blocks at their shortcuts
    assert "timm_model.layer3.0.bn1.running_mean" in moved


def test_norms_in_eval_mode_keep_their_statistics_while_their_weights_move():
    moved = step(TIMMBackbone(NAME, norm_eval=True).train())
    assert not [name for name in moved if "running" in name]
    assert "timm_model.bn1.weight" in moved


def test_all_stages_can_be_frozen():
    backbone = TIMMBackbone(NAME, frozen_stages=-1).train()
    assert not any(weight.requires_grad for weight in backbone.parameters())
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(backbone(images)[0], backbone.eval()(images)[0])


def test_a_network_that_is_frozen_drops_nothing():
    backbone = TIMMBackbone(NAME, frozen_stages=-1, drop_path_rate=0.9).train()
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(backbone(images)[0], backbone(images)[0])


@pytest.mark.parametrize("size", [32, 130])
def test_large_batches_in_parts_have_the_features_of_whole_ones(size):
    backbone = TIMMBackbone(NAME, frozen_stages=-1)
    images, seen = torch.randn(40, 3, size, size), []
    backbone.timm_model.conv1.register_forward_hook(lambda layer, x, y: seen.append(len(y)))
    (features,) = backbone(images)
    assert seen == {32: [40], 130: [15, 15, 10]}[size]
    (whole,) = backbone._forward(images)
    torch.testing.assert_close(features, whole, rtol=1e-5, atol=1e-6)
    of_maps = TIMMBackbone(NAME, frozen_stages=-1, out_indices=(1, 3))
    for maps, whole in zip(of_maps(images), of_maps._forward(images), strict=True):
        torch.testing.assert_close(maps, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("trained", [dict(), dict(norm_eval=True), dict(frozen_stages=4)])
def test_a_batch_of_what_is_trained_stays_whole(trained):
    backbone, seen = TIMMBackbone(NAME, **trained), []
    backbone.timm_model.conv1.register_forward_hook(lambda layer, x, y: seen.append(len(y)))
    backbone.train()(torch.randn(16, 3, 130, 130))
    assert seen == [16]


def test_state_dict_is_that_of_mmpretrains_wrapper():
    names = TIMMBackbone(NAME, frozen_stages=1).state_dict()
    assert "timm_model.layer4.1.conv2.weight" in names
    assert not [name for name in names if not name.startswith("timm_model.")]


def test_a_network_says_what_it_wants_and_gives():
    mean, std = mean_and_std("tf_efficientnet_lite0")
    assert (mean, std) == ([127.5] * 3, [127.5] * 3)
    assert mean_and_std(NAME)[0] == pytest.approx([123.675, 116.28, 103.53])
    for name in (NAME, "tf_efficientnet_lite0", "mobilenetv3_small_050"):
        (features,) = TIMMBackbone(name).eval()(torch.zeros(1, 3, 64, 64))
        assert features.shape[1] == out_channels(name)


VIT = dict(
    model_name="vit_tiny_patch16_224",
    img_size=32,
    patch_size=8,
    embed_dim=32,
    depth=2,
    num_heads=2,
)


@pytest.mark.parametrize(
    ("pooling", "timms"), [("token", "token"), (None, "token"), ("mean", "avg")]
)
def test_a_transformer_gives_the_class_token_or_the_mean_of_the_patches_as_timm_does(
    pooling, timms
):
    torch.manual_seed(0)
    backbone = TIMMBackbone(**VIT, pooling=pooling).eval()
    network = timm.create_model(**VIT, num_classes=0)
    network.load_state_dict(backbone.timm_model.state_dict())
    network.reset_classifier(0, timms)
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        tokens, expected = network.forward_features(images), network.eval()(images)
        (features,) = backbone(images)
    by_hand = tokens[:, 0] if timms == "token" else tokens[:, 1:].mean(dim=1)
    torch.testing.assert_close(features, by_hand)
    torch.testing.assert_close(features, expected)
    assert pool((features,)) is features  # what all that need a vector take


def test_registers_and_images_that_lie_channels_last_are_no_patches_of_another():
    backbone = TIMMBackbone(**VIT, class_token=False, reg_tokens=2, global_pool="avg").eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        tokens = backbone.timm_model.forward_features(images)
        expected = backbone.timm_model.fc_norm(tokens[:, 2:].mean(dim=1))
        torch.testing.assert_close(backbone(images)[0], expected)
    small = dict(img_size=64, patch_size=4, window_size=4, embed_dim=8, depths=(1, 1))
    swin = TIMMBackbone("swin_tiny_patch4_window7_224", **small, num_heads=(1, 1)).eval()
    assert swin(torch.randn(1, 3, 64, 64))[0].shape == (1, 16, 8, 8)


def test_a_convnext_is_pooled_before_its_last_norm_as_in_timm():
    small = dict(depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
    backbone = TIMMBackbone("convnext_atto", pooling="mean", **small).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = backbone.timm_model.forward_features(images).mean(dim=(2, 3))
        expected = F.layer_norm(features, (16,), eps=1e-6)
        torch.testing.assert_close(backbone(images)[0], expected)


def test_global_response_normalization_takes_each_image_by_itself():
    small = dict(depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
    backbone = TIMMBackbone("convnextv2_atto", pooling="mean", **small).train()
    for name, weight in backbone.named_parameters():
        if ".grn." in name:  # they begin at 0, where it does nothing
            torch.nn.init.normal_(weight)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        alone = torch.cat([backbone(image[None])[0] for image in images])
        torch.testing.assert_close(backbone(images)[0], alone)


def test_maps_of_a_transformers_blocks_are_its_patches_behind_the_last_norm():
    torch.manual_seed(0)
    backbone = TIMMBackbone(**VIT, out_indices=(0, 1)).eval()
    pooled = TIMMBackbone(**VIT).eval()
    pooled.load_state_dict(backbone.state_dict())  # the weights have the same names
    images = torch.randn(2, 3, 48, 32)  # 6 × 4 patches, other positions than it was built for
    with torch.no_grad():
        first, last = backbone(images)
        patches = pooled.timm_model.forward_features(images)[:, 1:]  # (B, 24, C), normed
    torch.testing.assert_close(last, patches.transpose(1, 2).reshape(2, 32, 6, 4))
    assert first.shape == last.shape and not torch.equal(first, last)


@pytest.mark.parametrize(
    ("cfg", "shapes"),
    [
        (dict(**VIT, out_indices=(0, 1)), [(32, 8, 8)] * 2),
        (dict(model_name="convnext_atto", out_indices=(1, 3)), [(80, 8, 8), (320, 2, 2)]),
        (dict(model_name=NAME, out_indices=(2, 4)), [(128, 8, 8), (512, 2, 2)]),
    ],
)
def test_maps_give_every_trained_weight_a_gradient(cfg, shapes):
    backbone = TIMMBackbone(**cfg).train()
    maps = backbone(torch.randn(2, 3, 64, 64))
    assert [tuple(one.shape[1:]) for one in maps] == shapes
    sum((one * torch.randn_like(one)).sum() for one in maps).backward()
    assert not [n for n, w in backbone.named_parameters() if w.requires_grad and w.grad is None]


def test_positions_fit_crops_of_other_sizes():
    backbone = TIMMBackbone(**VIT).eval()
    fixed = TIMMBackbone(**VIT, dynamic_img_size=False).eval()
    fixed.load_state_dict(backbone.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(backbone(images)[0], fixed(images)[0])
    for size in (48, 40, 16):
        assert backbone(torch.randn(2, 3, size, size))[0].shape == (2, 32)


def test_a_frozen_projection_of_patches_keeps_its_weights():
    moved = step(TIMMBackbone(**VIT, frozen_patch_embed=True).train())
    assert "timm_model.blocks.0.attn.qkv.weight" in moved
    assert not [name for name in moved if "patch_embed" in name]


@pytest.mark.parametrize("cfg", [VIT, dict(model_name="convnext_atto")])
def test_activations_computed_again_give_the_same_gradients(cfg):
    images, gradients = torch.randn(2, 3, 32, 32), []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = TIMMBackbone(**cfg, with_cp=with_cp).train()
        backbone(images)[0].square().sum().backward()
        gradients.append([weight.grad for weight in backbone.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TIMMBackbone(NAME, pooling="token"), "has no class token; set pooling='mean'"),
        (lambda: TIMMBackbone(NAME, pooling="max"), "pooling='max' must be"),
        (lambda: TIMMBackbone(NAME, frozen_patch_embed=True), "no projection of patches"),
        (lambda: TIMMBackbone("resnet17"), "timm has no network resnet17"),
        (lambda: TIMMBackbone(NAME, frozen_stages=6), r"frozen_stages=6 .* must be -1 .* to 5"),
        (lambda: TIMMBackbone(**VIT, out_indices=(1, 2)), r"\[1, 2\] .* from 0 to 1"),
        (lambda: TIMMBackbone(**VIT, out_indices=(1,), pooling="mean"), "leave it or out_indices"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(HCSCError, match=message):
        call()
