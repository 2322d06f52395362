"""Conversions of published and of our own checkpoints, and what the libraries make of them."""

import importlib.util
import pickle

import numpy as np
import pytest
import released
import timm
import torch
import torchvision
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS
from released import DIM, QUEUE_LEN, backbone_of, features, random_resnet
from safetensors.torch import load_file
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import HCSC
from hcsc_mm.weights import TARGETS, convert, read_checkpoint, select, sort_weights
from hcsc_mm.weights.verify import compare_features, compare_tensors

ENDINGS = {
    "hcsc_mm": ".pth",
    "mmpretrain": ".pth",
    "mmdet": ".pth",
    "torchvision": ".pth",
    "torchvision ": ".safetensors",
    "timm": ".safetensors",
    "detectron2": ".pkl",
    "detectron2 ": ".pth",
}
WHERE = pytest.mark.parametrize(
    ("to", "ending"), [(to.strip(), ending) for to, ending in ENDINGS.items()]
)


def images():
    return torch.randn(2, 3, 96, 96)


def hcsc_model(backbone=None, **neck) -> HCSC:
    return HCSC(
        backbone=backbone or dict(type="mmpretrain.ResNet", depth=18),
        neck={"type": "hcsc_mm.ProjectionNeck", "in_channels": 512, **neck},
        head=dict(type="hcsc_mm.HCSCHead"),
        queue_len=QUEUE_LEN,
    )


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def assert_same_features(computed, expected):
    assert float(expected.abs().max()) > 0.1  # something to compare
    assert float((computed - expected).abs().max()) <= 1e-5 * max(1.0, float(expected.abs().max()))


@WHERE
def test_published_weights_go_to_every_layout_and_come_back_bit_by_bit(
    published, tmp_path, to, ending
):
    there = tmp_path / f"there{ending}"
    convert(published["hcsc" if to == "hcsc_mm" else "swav"], there, to)
    report = convert(there, tmp_path / "back.pth", "torchvision")
    assert report.contents.layout == {"mmdet": "mmpretrain", "timm": "torchvision"}.get(to, to)
    assert_same(torch.load(tmp_path / "back.pth", weights_only=True), backbone_of(random_resnet()))


@pytest.mark.parametrize("layout", ["hcsc", "moco", "swav"])
def test_every_published_layout_gives_torchvision_its_features(published, tmp_path, layout):
    assert convert(published[layout], tmp_path / "out.pth", "torchvision").contents.layout == layout
    network = torchvision.models.resnet18()
    missing, unexpected = network.load_state_dict(
        torch.load(tmp_path / "out.pth", weights_only=True), strict=False
    )
    assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])
    batch = images()
    assert_same_features(features(network, batch), features(random_resnet(), batch))


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_timm_loads_the_file_strictly_and_computes_the_same(published, tmp_path, ending):
    path = tmp_path / f"out{ending}"
    convert(published["swav"], path, "timm")
    network = timm.create_model("resnet18", num_classes=0, checkpoint_path=str(path)).eval()
    batch = images()
    with torch.no_grad():
        assert_same_features(network.forward_features(batch), features(random_resnet(), batch))


@pytest.mark.parametrize("to", ["hcsc_mm", "mmpretrain"])
def test_pretrained_init_cfg_with_a_prefix_gives_mmpretrain_the_features(published, tmp_path, to):
    convert(published["moco" if to == "hcsc_mm" else "swav"], tmp_path / "out.pth", to)
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "out.pth"), prefix="backbone.")
    backbone = MODELS.build(dict(type="mmpretrain.ResNet", depth=18, init_cfg=init_cfg))
    backbone.init_weights()
    backbone.eval()
    batch = images()
    with torch.no_grad():
        assert_same_features(backbone(batch)[-1], features(random_resnet(), batch))


def test_resnet50_is_found_and_converted(tmp_path):
    source = released.save(
        {f"module.{name}": value for name, value in backbone_of(random_resnet(50)).items()},
        tmp_path / "r50.pth",
    )
    report = convert(source, tmp_path / "out.safetensors", "timm")
    assert report.model.shape.depth == 50
    network = timm.create_model(
        "resnet50", num_classes=0, checkpoint_path=str(tmp_path / "out.safetensors")
    ).eval()
    batch = images()[:1]
    with torch.no_grad():
        assert_same_features(network.forward_features(batch), features(random_resnet(50), batch))


def test_our_model_takes_all_of_the_released_weights(published, tmp_path):
    convert(published["hcsc"], tmp_path / "out.pth", "hcsc_mm")
    model, state = hcsc_model(), torch.load(published["hcsc"], weights_only=True)["state_dict"]
    loaded = load_checkpoint(model, str(tmp_path / "out.pth"), map_location="cpu", strict=True)
    assert set(loaded["state_dict"]) == set(model.state_dict())
    assert torch.equal(model.queue.keys, state["module.queue"].T) and model.queue.pointer == 8
    batch = images()
    model.eval()
    for role, seed, embed in (("q", 0, model.encode_query), ("k", 1, model.encode_key)):
        network = random_resnet(seed=seed)
        network.fc = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, DIM))
        prefix = f"module.encoder_{role}."
        network.load_state_dict(
            {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
        )
        with torch.no_grad():
            assert_same_features(embed(batch), nn.functional.normalize(network(batch), dim=1))


def test_key_encoder_becomes_the_backbone_on_request(published, tmp_path):
    convert(published["hcsc"], tmp_path / "key.pth", "torchvision", encoder="key")
    assert_same(
        torch.load(tmp_path / "key.pth", weights_only=True), backbone_of(random_resnet(seed=1))
    )
    convert(published["hcsc"], tmp_path / "full.pth", "hcsc_mm", encoder="key")
    contents = sort_weights(read_checkpoint(tmp_path / "full.pth").weights)
    for part in ("backbone", "projection"):
        assert_same(contents.parts[f"query.{part}"], contents.parts[f"key.{part}"])
    assert_same(contents.parts["query.backbone"], backbone_of(random_resnet(seed=1)))


def test_what_the_file_lacks_our_model_makes_itself(published, tmp_path):
    convert(published["swav"], tmp_path / "out.pth", "hcsc_mm")
    model = hcsc_model()
    load_checkpoint(model, str(tmp_path / "out.pth"), map_location="cpu")
    assert_same(dict(model.backbone.state_dict()), backbone_of(random_resnet()))
    assert_same(model.momentum_encoder.encoder[0].state_dict(), model.backbone.state_dict())
    assert_same(model.momentum_encoder.encoder[1].state_dict(), model.neck.state_dict())


def test_projection_of_a_single_layer_goes_into_our_neck(tmp_path):
    source = released.save(released.moco(num_layers=1), tmp_path / "moco_v1.pth.tar")
    report = convert(source, tmp_path / "out.pth", "hcsc_mm")
    assert "projection 512-128" in report.lines()[1]
    model = hcsc_model(num_layers=1)
    load_checkpoint(model, str(tmp_path / "out.pth"), map_location="cpu", strict=True)
    assert torch.equal(
        model.neck.mlp[0].bias, read_checkpoint(source).weights["module.encoder_q.fc.bias"]
    )


def test_our_own_checkpoint_comes_back_unchanged_without_the_state_of_training(tmp_path):
    model = hcsc_model()
    model.init_weights()
    model.train()
    model.backbone(images())  # running statistics that are not the initial ones
    source = released.save(
        {"state_dict": model.state_dict(), "meta": {}, "optimizer": {}}, tmp_path / "epoch_1.pth"
    )
    report = convert(source, tmp_path / "out.pth", "hcsc_mm")
    assert report.unused == ["other entries of the file: meta, optimizer"]
    assert_same(
        torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"], dict(model.state_dict())
    )


def test_small_stem_of_ours_goes_to_mmpretrain(tmp_path):
    backbone = dict(
        type="mmpretrain.ResNet_CIFAR",
        depth=18,
        stem_channels=8,
        base_channels=8,
        strides=(2, 2, 2, 1),
    )
    model = hcsc_model(backbone, in_channels=64)
    source = released.save({"state_dict": model.state_dict()}, tmp_path / "cifar.pth")
    report = convert(source, tmp_path / "out.pth", "mmpretrain")
    assert (
        str(report.model.shape)
        == "ResNet_CIFAR-18 with 8 stem and 8 base channels and a first stage of stride 2"
    )
    other = MODELS.build(
        {
            **backbone,
            "init_cfg": dict(
                type="Pretrained", checkpoint=str(tmp_path / "out.pth"), prefix="backbone."
            ),
        }
    )
    other.init_weights()
    assert_same(other.state_dict(), model.backbone.state_dict())


def test_detectron2_pickle_is_what_its_loader_expects(published, tmp_path):
    convert(published["swav"], tmp_path / "out.pkl", "detectron2")
    content = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert content["matching_heuristics"] is True and isinstance(content["__author__"], str)
    assert all(type(value) is np.ndarray for value in content["model"].values())
    backbone = backbone_of(random_resnet())
    assert len(content["model"]) == len(backbone)
    np.testing.assert_array_equal(
        content["model"]["stem.conv1.norm.running_var"], backbone["bn1.running_var"].numpy()
    )
    np.testing.assert_array_equal(
        content["model"]["res3.0.shortcut.norm.bias"],
        backbone["layer2.0.downsample.1.bias"].numpy(),
    )


def test_half_precision_and_missing_batch_counters_are_made_good(tmp_path):
    state = {
        name: value.half()
        for name, value in backbone_of(random_resnet()).items()
        if not name.endswith("num_batches_tracked")
    }
    convert(
        released.save(state, tmp_path / "half.pth"), tmp_path / "out.safetensors", "torchvision"
    )
    loaded = load_file(tmp_path / "out.safetensors")
    assert loaded.keys() == backbone_of(random_resnet()).keys()
    assert loaded["bn1.num_batches_tracked"] == 0
    assert torch.equal(loaded["conv1.weight"], state["conv1.weight"].float())


def test_file_in_pytorchs_old_format_is_read(tmp_path):
    torch.save(
        {"state_dict": backbone_of(random_resnet())},
        tmp_path / "old.pth.tar",
        _use_new_zipfile_serialization=False,
    )
    convert(tmp_path / "old.pth.tar", tmp_path / "out.pth", "torchvision")
    assert_same(torch.load(tmp_path / "out.pth", weights_only=True), backbone_of(random_resnet()))


def test_weights_that_are_views_of_a_larger_tensor_are_written_alone(tmp_path):
    backbone = backbone_of(random_resnet())
    flat = torch.cat([value.flatten() for value in backbone.values() if value.is_floating_point()])
    start, state = 0, {}
    for name, value in backbone.items():
        state[name] = (
            flat[start : start + value.numel()].view(value.shape)
            if value.is_floating_point()
            else value
        )
        start += value.numel() if value.is_floating_point() else 0
    convert(released.save(state, tmp_path / "views.pth"), tmp_path / "out.pth", "torchvision")
    assert (tmp_path / "out.pth").stat().st_size < 1.1 * 4 * flat.numel()
    assert_same(torch.load(tmp_path / "out.pth", weights_only=True), backbone)


def test_report_names_depth_and_all_that_was_not_used(published, tmp_path):
    report = convert(published["hcsc"], tmp_path / "out.pth", "torchvision")
    text = "\n".join(report.lines())
    assert "layout hcsc, ResNet-18, query encoder" in text
    assert report.unused == [
        "query encoder's projection: 4 tensors (module.encoder_q.fc.*)",
        "key encoder's backbone: 120 tensors (module.encoder_k.*)",
        "key encoder's projection: 4 tensors (module.encoder_k.fc.*)",
        "queue: 2 tensors (module.queue, module.queue_ptr)",
        "queue_index: 1 tensor (module.queue_index)",
        "other entries of the file: epoch, arch, optimizer",
    ]
    swav = convert(published["swav"], tmp_path / "swav.pth", "hcsc_mm")
    assert swav.unused == [
        "projection_head: 9 tensors (module.projection_head.*)",
        "prototypes: 1 tensor (module.prototypes.weight)",
    ]


def test_report_says_who_verified_and_by_how_much(published, tmp_path):
    lines = convert(published["swav"], tmp_path / "out.pth", "timm").lines()
    assert lines[-1].startswith("verified  by timm: largest difference of a feature ")


@pytest.mark.skipif(
    importlib.util.find_spec("detectron2") is not None, reason="detectron2 is installed"
)
def test_report_says_when_the_library_is_not_there_to_verify(published, tmp_path):
    lines = convert(published["swav"], tmp_path / "out.pkl", "detectron2").lines()
    assert lines[-1] == (
        "verified  by tensors only, not by detectron2: detectron2 is not installed; 120 "
        "tensors read back equal"
    )


@pytest.mark.parametrize(
    ("to", "ending"),
    [
        ("mmpretrain", ".pth"),
        ("torchvision", ".pth"),
        ("timm", ".safetensors"),
        ("detectron2", ".pkl"),
    ],
)
def test_file_of_other_weights_fails_verification(published, tmp_path, to, ending):
    convert(published["swav"], tmp_path / f"out{ending}", to)
    other = select(
        sort_weights(read_checkpoint(published["hcsc"]).weights), "key", TARGETS["hcsc_mm"]
    )
    with pytest.raises(HCSCError, match="verification failed"):
        compare_tensors(tmp_path / f"out{ending}", to, other)
    if to != "detectron2":  # which need not be installed
        with pytest.raises(HCSCError, match=r"verification failed: features in .* differ by up to"):
            compare_features(tmp_path / f"out{ending}", to, other, images())
