"""Vision transformers and ConvNeXts that were trained here: to timm, and back."""

from __future__ import annotations

import re

import pytest
import released
import timm
import torch
from mmengine.config import Config
from mmpretrain.models import ConvNeXt
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.apis import load_embedder
from hcsc_mm.models import HCSC, TIMMBackbone
from hcsc_mm.weights import TARGETS, convert, read_checkpoint, select, sort_weights

VIT = dict(
    model_name="vit_tiny_patch16_224",
    img_size=32,
    patch_size=8,
    embed_dim=48,  # no multiple of 64
    depth=2,
    num_heads=3,
)
CONVNEXT = dict(model_name="convnext_tiny", depths=(1, 2, 1, 1), dims=(8, 12, 16, 24))
CONVNEXT_V2 = CONVNEXT | dict(model_name="convnextv2_tiny")
CONVOLUTIONS = CONVNEXT | dict(model_name="convnextv2_atto")  # of 1 × 1, in the place of matrices
KINDS = pytest.mark.parametrize(
    ("backbone", "pooling"),
    [
        (VIT, "token"),
        (VIT, "mean"),
        (CONVNEXT, "mean"),
        (CONVNEXT_V2, "mean"),
        (CONVOLUTIONS, "mean"),
    ],
)


def trained(backbone, pooling, path, config=True):
    """Our model's checkpoint, with weights that are not nothing."""
    backbone = {"type": "hcsc_mm.TIMMBackbone", "pooling": pooling, **backbone}
    channels = backbone.get("embed_dim") or backbone["dims"][-1]
    model = dict(
        backbone=backbone,
        neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=channels, out_channels=16),
        head=dict(type="hcsc_mm.HCSCHead"),
        queue_len=8,
    )
    hcsc = HCSC(**model)
    torch.manual_seed(3)
    for value in hcsc.parameters():
        nn.init.normal_(value, std=0.2)
    text = Config(dict(model=dict(type="hcsc_mm.HCSC", **model))).pretty_text
    meta = dict(cfg=text) if config else {}
    released.save({"state_dict": hcsc.state_dict(), "meta": meta}, path)
    return hcsc.eval()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def close(computed, expected):
    assert float(expected.abs().max()) > 0.1
    assert float((computed - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@KINDS
def test_a_network_that_was_trained_here_gives_timm_its_features(tmp_path, backbone, pooling):
    model = trained(backbone, pooling, tmp_path / "epoch_1.pth")
    convert(tmp_path / "epoch_1.pth", tmp_path / "out.safetensors", "timm")
    network = timm.create_model(**backbone, num_classes=0)
    network.load_state_dict(read_checkpoint(tmp_path / "out.safetensors").weights)
    network.reset_classifier(0, {"token": "token", "mean": "avg"}[pooling])
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        close(network.eval()(images), model.backbone(images)[-1])


@KINDS
def test_timms_weights_come_back_unchanged(tmp_path, backbone, pooling):
    model = trained(backbone, pooling, tmp_path / "epoch_1.pth")
    convert(tmp_path / "epoch_1.pth", tmp_path / "there.pth", "timm")
    convert(tmp_path / "there.pth", tmp_path / "back.pth", "mmpretrain", num_heads=3)
    contents = sort_weights(read_checkpoint(tmp_path / "back.pth").weights)
    assert same(
        select(contents, "query", TARGETS["timm"]).backbone, model.backbone.timm_model.state_dict()
    )


@KINDS
def test_our_model_takes_all_of_a_trained_checkpoint_and_embeds_the_same(
    tmp_path, backbone, pooling
):
    model = trained(backbone, pooling, tmp_path / "epoch_1.pth")
    report = convert(tmp_path / "epoch_1.pth", tmp_path / "ours.pth", "hcsc_mm")
    assert "key encoder" in report.lines()[1] and "projection" in report.lines()[1]
    if pooling == "mean" and backbone is VIT:
        return  # mmpretrain's own gives the class token, or the mean as a map without a norm
    shape = report.model.shape
    network = shape.loaded(report.model.backbone, **shape.pooled)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        close(network(images)[-1], model.backbone(images)[-1])


@KINDS
def test_the_inferencer_pools_as_the_training_does(tmp_path, backbone, pooling):
    model = trained(backbone, pooling, tmp_path / "epoch_1.pth")
    embedder = load_embedder(tmp_path / "epoch_1.pth", device="cpu")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features, embedding = embedder.encoder.embed(embedder.encoder.layers, images)
        close(features, model.momentum_encoder.encoder[0](images)[-1])
        close(embedding, model.encode_key(images))


def test_heads_come_from_the_config_or_are_asked_for(tmp_path):
    trained(VIT, "token", tmp_path / "with.pth")
    report = convert(tmp_path / "with.pth", tmp_path / "a.pth", "mmpretrain")
    assert "ViT of 2 layers of 48, 3 heads, patches of 8" in report.lines()[0]
    trained(VIT, "token", tmp_path / "without.pth", config=False)
    with pytest.raises(HCSCError, match="do not tell how many heads it has; say --heads"):
        convert(tmp_path / "without.pth", tmp_path / "b.pth", "mmpretrain")
    report = convert(tmp_path / "without.pth", tmp_path / "b.pth", "mmpretrain", num_heads=3)
    assert "3 heads" in report.lines()[0]
    with pytest.raises(HCSCError, match="5 heads do not divide the 48 channels"):
        convert(tmp_path / "without.pth", tmp_path / "c.pth", "mmpretrain", num_heads=5)


@pytest.mark.parametrize(
    ("name", "options"),
    [("ConvNeXt", {}), ("ConvNeXt V2", dict(use_grn=True, layer_scale_init_value=0.0))],
)
def test_names_of_mmpretrain_and_of_the_authors_are_known(tmp_path, name, options):
    theirs = ConvNeXt(dict(depths=[1, 1, 2, 1], channels=[8, 8, 16, 16]), **options)
    theirs.init_weights()
    for value in theirs.parameters():
        nn.init.normal_(value, std=0.2)
    theirs.eval()  # mmpretrain's returns None
    state = theirs.state_dict()
    names = dict(depthwise_conv="dwconv", pointwise_conv1="pwconv1", pointwise_conv2="pwconv2")
    authors = {
        re.sub("|".join(names), lambda found: names[found[0]], name).replace("norm3.", "norm."): v
        for name, v in state.items()
    }
    authors = {key: v[None, None, None] if ".grn." in key else v for key, v in authors.items()}
    expected = None
    for kind, weights in (
        ("mmpretrain", {f"backbone.{name}": value for name, value in state.items()}),
        ("authors", {"model": authors | {"head.weight": torch.zeros(5, 16)}}),
    ):
        source = released.save(weights, tmp_path / f"{kind}.pth")
        report = convert(source, tmp_path / f"{kind}.safetensors", "timm")
        assert f"{name} of 1-1-2-1 blocks of 8-8-16-16, patches of 4" in report.lines()[0]
        found = read_checkpoint(tmp_path / f"{kind}.safetensors").weights
        expected = expected or found
        assert len(found) == len(state) and same(found, expected)
        network = timm.create_model(
            "convnextv2_tiny" if options else "convnext_tiny",
            depths=(1, 1, 2, 1),
            dims=(8, 8, 16, 16),
            num_classes=0,
        )
        network.load_state_dict(found)
        images = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            close(network.eval()(images), theirs(images)[-1])


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        (lambda state: state.pop("stem.0.weight"), "timm", "a stem of patches"),
        (lambda state: state.pop("head.norm.bias"), "timm", r"1 missing \(head\.norm\.bias\)"),
        (
            lambda state: state.update({"stages.0.blocks.0.mlp.grn.weight": torch.ones(32)}),
            "timm",
            r"missing \(stages\.0\.blocks\.0\.mlp\.grn\.bias",  # half of a second version
        ),
        (lambda state: None, "torchvision", "ConvNeXt .* which torchvision has no counterpart of"),
    ],
)
def test_a_convnext_that_is_not_plain_is_refused(tmp_path, change, to, message):
    state = dict(TIMMBackbone(**CONVNEXT).timm_model.state_dict())
    change(state)
    source = released.save(state, tmp_path / "source.pth")
    with pytest.raises(HCSCError, match=message):
        convert(source, tmp_path / "out.pth", to)
