"""Weights below the names that frameworks, wrappers and methods give them."""

from __future__ import annotations

import argparse
import functools
import itertools

import pytest
import released
import timm
import torch
from labelled import tiny_resnet
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.utils.safe_load import load_from_local
from hcsc_mm.weights import TARGETS, convert, read_checkpoint, select, sort_weights

QUERY, KEY = 0, 1  # seeds of the networks
PLACES = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}


@functools.cache
def backbone(seed=QUERY):
    """A narrow ResNet-18."""
    torch.manual_seed(seed)
    network = tiny_resnet()
    network.init_weights()
    return network.state_dict()


def under(prefix, seed=QUERY):
    return {f"{prefix}{name}": value for name, value in backbone(seed).items()}


def by_places(prefix, seed=QUERY):
    """As in nn.Sequential(*list(resnet.children())[:-1])."""
    split = ((*name.split(".", 1), value) for name, value in backbone(seed).items())
    return {f"{prefix}{PLACES[module]}.{rest}": value for module, rest, value in split}


def head(prefix):
    return {f"{prefix}0.weight": torch.randn(16, 32), f"{prefix}0.bias": torch.randn(16)}


WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")
KINDS = {
    "torch.compile": under("_orig_mod."),
    "DDP twice": under("module.module."),
    **{
        f"wrappers {first}{second}{third}": under(first + second + third)
        for first, second, third in itertools.permutations(WRAPPERS)
    },
    "wrappers in the middle": under("model._orig_mod.encoder.module."),
    "Lightning, model": under("model.") | head("head."),
    "Lightning, encoder": under("encoder.") | head("projector."),
    "Lightning, model.encoder": under("model.encoder."),
    "Lightning, a MoCo": under("model.encoder_q.") | under("model.encoder_k.", KEY),
    "Lightning, a compiled backbone": under("net._orig_mod.backbone."),
    "Lightly, backbone.0.": under("backbone.0.") | head("projection_head.layers."),
    "Lightly, by places": by_places("backbone.") | head("projection_head.layers."),
    "Lightly, by places, compiled": by_places("_orig_mod.backbone._orig_mod."),
    "Lightly, BYOL": by_places("backbone.") | by_places("backbone_momentum.", KEY),
    "Sequential alone": by_places(""),
    "solo-learn": under("backbone.") | under("momentum_backbone.", KEY) | head("projector."),
    "SimSiam": under("module.encoder.") | head("module.encoder.fc.") | head("module.predictor."),
    "MoCo v3": under("module.base_encoder.")
    | under("module.momentum_encoder.", KEY)
    | head("module.base_encoder.fc.")
    | head("module.predictor."),
    "BYOL": under("online_encoder.net.") | under("target_encoder.net.", KEY),
    "Barlow Twins": under("module.backbone.") | head("module.projector."),
    "torchvision's detectors": under("backbone.body.") | head("roi_heads.box_predictor."),
    "model_state_dict": {"model_state_dict": under("module."), "epoch": 3},
    "net": {"net": under(""), "acc": 93.0},
    "model within state_dict": {"state_dict": {"model": under("")}},
    "model with options": {"model": under("module."), "args": argparse.Namespace(lr=0.1)},
    "a word of its own": {"checkpoint": {"state_dict": under("module.")}, "epoch": 3},
    "DeepSpeed": {"module": under("module.encoder."), "ds_version": "0.14", "global_steps": 5},
    "an average alone": {"state_dict_ema": under("module."), "epoch": 3},
    "DINO": {
        "student": under("module.backbone.") | head("module.head."),
        "teacher": under("backbone.", KEY) | head("head."),
        "epoch": 100,
    },
}
WITH_KEY = ("solo-learn", "MoCo v3", "BYOL", "DINO", "Lightly, BYOL", "Lightning, a MoCo")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", KINDS)
def test_backbone_is_found_below_any_prefix(tmp_path, kind):
    source = released.save(KINDS[kind], tmp_path / "source.pth")
    contents = sort_weights(read_checkpoint(source).weights)
    model = select(contents, "query", TARGETS["torchvision"])
    assert model.shape.depth == 18
    assert same(model.backbone, backbone(QUERY))
    if kind in WITH_KEY and kind != "solo-learn":  # the names of which are OpenMMLab's, too
        model = select(contents, "key", TARGETS["torchvision"])
        assert same(model.backbone, backbone(KEY))


def test_what_stands_before_the_names_is_reported_and_what_is_left_out_too(tmp_path):
    source = released.save(KINDS["MoCo v3"], tmp_path / "source.pth")
    lines = convert(source, tmp_path / "out.pth", "mmpretrain").lines()
    assert (
        "layout torchvision under base_encoder. and momentum_encoder., ResNet-18 with" in lines[0]
    )
    assert any("module.predictor.0.weight" in line for line in lines)
    written = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    assert same(written, under("backbone."))


@pytest.mark.parametrize("other", ["model", "state_dict_ema"])
def test_weights_of_another_model_that_are_left_out_are_called_so(tmp_path, other):
    content = {"state_dict": under(""), other: under("", KEY), "epoch": 3}
    torch.save(content, tmp_path / "source.pth")
    lines = convert(tmp_path / "source.pth", tmp_path / "out.pth", "mmpretrain").lines()
    said = f"other entries of the file: {other} ({len(under(''))} weights of its own), epoch"
    assert any(said in line for line in lines)
    written = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    assert same(written, under("backbone."))


TWO = under("left.") | under("right.net.", KEY) | head("other.")


@pytest.mark.parametrize("prefix", ["right.net.", "right.net", "module.right.net.", "right"])
def test_prefix_chooses_among_several(prefix):
    with pytest.raises(
        HCSCError, match=r"2 backbones, under left\., right\.net\.; choose one by --prefix"
    ):
        sort_weights(TWO)
    contents = sort_weights({f"module.{name}": value for name, value in TWO.items()}, None, prefix)
    assert same(contents.parts["query.backbone"], backbone(KEY))
    assert len(contents.rest) == len(under("")) + 2


@pytest.mark.parametrize(
    ("state", "prefix", "message"),
    [
        (TWO, "middle.", r"no tensor's name begins with middle\.; their names begin with left\. "),
        (head("a.b.") | head("c."), None, r"their names begin with a\. \(2\), c\. \(2\)"),
        (head("model."), None, r"no ResNet backbone of a known layout; the tensors are model\.0"),
        ({f"x{n}.w": torch.zeros(1) for n in range(9)}, None, "and 3 more"),
    ],
)
def test_prefixes_that_were_seen_are_named(state, prefix, message):
    with pytest.raises(HCSCError, match=message):
        sort_weights(state, None, prefix)


def script(path):
    torch.jit.script(nn.Linear(2, 2)).save(str(path))


def exported(path):
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), str(path))


class OfItsOwn:
    """A class that no checkpoint may name."""


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (exported, r"is a program \(torch\.export\), not weights"),
        (script, r"is a program \(TorchScript\), not weights; have its owner save the state_dict"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "is an HDF5 file"),
        (lambda path: path.write_text("<!DOCTYPE html><html>" + " " * 99), "is a web page"),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:"),
            "is a pointer of Git LFS, not the file itself; run git lfs pull",
        ),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(99)), "is compressed by gzip"),
        (lambda path: torch.save(nn.Linear(2, 2), path), "it names torch.nn.modules.linear.Linear"),
        (lambda path: torch.save({"a": OfItsOwn()}, path), r"it names .*OfItsOwn"),
        (lambda path: torch.save({"a": {1, 2}, "b": OfItsOwn}, path), r"is refused: .*OfItsOwn"),
    ],
)
def test_what_holds_no_weights_is_named_without_advice_to_run_it(tmp_path, write, message):
    path = tmp_path / "source.pth"
    write(path)
    for read in (read_checkpoint, load_from_local):
        with pytest.raises(HCSCError, match=message) as error:
            read(path)
        text = str(error.value)
        assert "weights_only" not in text
        assert "safe_globals" not in text
        assert "\n" not in text


def test_safetensors_are_told_by_their_content(tmp_path):
    from safetensors.torch import save_file

    save_file(under(""), tmp_path / "weights.bin")
    torch.save(under(""), tmp_path / "weights.safetensors")
    for name in ("weights.bin", "weights.safetensors"):
        assert same(read_checkpoint(tmp_path / name).weights, under(""))


def vit(width=128, depth=2, patch=8, image=32):
    """timm's, whose class token and positions are not nothing."""
    network = timm.create_model(
        "vit_base_patch16_224",
        **dict(embed_dim=width, depth=depth, num_heads=width // 64, patch_size=patch),
        img_size=image,
        num_classes=0,
    )
    torch.manual_seed(3)
    for value in network.parameters():
        nn.init.normal_(value, std=0.2)
    return network.eval()


def test_vit_goes_from_timm_to_mmpretrain_and_back(tmp_path):
    network, images = vit(), torch.randn(2, 3, 32, 32)
    source = released.save(network.state_dict(), tmp_path / "timm.pth")
    report = convert(source, tmp_path / "mm.pth", "mmpretrain")
    assert "layout timm, ViT of 2 layers of 128, patches of 8" in report.lines()[0]
    theirs = MODELS.build(
        dict(
            type="mmpretrain.VisionTransformer",
            arch=dict(embed_dims=128, num_layers=2, num_heads=2, feedforward_channels=512),
            img_size=32,
            patch_size=8,
            init_cfg=dict(
                type="Pretrained", checkpoint=str(tmp_path / "mm.pth"), prefix="backbone."
            ),
        )
    )
    theirs.init_weights()
    theirs.eval()
    with torch.no_grad():
        expected, computed = network.forward_features(images)[:, 0], theirs(images)[-1]
    assert float(expected.abs().max()) > 0.1
    assert float((computed - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    convert(tmp_path / "mm.pth", tmp_path / "back.safetensors", "timm")
    again = vit()
    again.load_state_dict(read_checkpoint(tmp_path / "back.safetensors").weights)
    assert same(again.state_dict(), network.state_dict())


@pytest.mark.parametrize("to", ["mmpretrain", "timm", "hcsc_mm"])
def test_vit_of_mmpretrain_goes_to_every_layout_that_can_hold_it(tmp_path, to):
    network = VisionTransformer(
        dict(embed_dims=64, num_layers=1, num_heads=1, feedforward_channels=96),
        img_size=16,
        patch_size=8,
    )
    network.init_weights()
    state = {f"module.backbone.{name}": value for name, value in network.state_dict().items()}
    source = released.save({"state_dict": state}, tmp_path / "source.pth")
    report = convert(source, tmp_path / "out.pth", to)
    assert report.verification.features.difference <= report.verification.features.allowed
    contents = sort_weights(read_checkpoint(tmp_path / "out.pth").weights)
    assert len(contents.parts["query.backbone"]) == len(state)


@pytest.mark.parametrize("prefix", ["module.base_encoder.", "student.backbone.", "model.", ""])
def test_vit_is_found_below_any_prefix(prefix):
    state = {f"{prefix}{name}": value for name, value in vit().state_dict().items()}
    state |= {f"{prefix}head.0.weight": torch.zeros(4, 128), "predictor.0.weight": torch.zeros(1)}
    model = select(sort_weights(state), "query", TARGETS["timm"])
    assert same(model.backbone, vit().state_dict())


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        (lambda state: state.pop("cls_token"), "timm", "no plain ViT: cls_token is missing"),
        (lambda state: state.pop("norm.bias"), "timm", r"1 missing \(norm\.bias\)"),
        (
            lambda state: state.update({"blocks.0.ls1.gamma": torch.ones(128)}),
            "timm",
            r"1 unknown \(blocks\.0\.ls1\.gamma\)",
        ),
        (
            lambda state: state.update(pos_embed=torch.zeros(1, 16, 128)),
            "timm",
            r"positions, \(1, 16, 128\), are not those",
        ),
        (
            lambda state: None,
            "torchvision",
            "ViT .* which torchvision has no counterpart of; --to hcsc_mm, --to mmpretrain and "
            "--to timm",
        ),
    ],
)
def test_vit_that_is_not_plain_is_refused(tmp_path, change, to, message):
    state = dict(vit().state_dict())
    change(state)
    source = released.save(state, tmp_path / "source.pth")
    with pytest.raises(HCSCError, match=message):
        convert(source, tmp_path / "out.pth", to)
