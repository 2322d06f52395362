"""Starting from pre-trained weights: all of them, or an error."""

from __future__ import annotations

import mmpretrain.models  # noqa: F401  registers ResNet
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmpretrain.registry import MODELS
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.runtime.pretrained import check_pretrained, use_checkpoint


def resnet(depth: int, checkpoint: object = None, prefix: str = "backbone.") -> torch.nn.Module:
    config = dict(type="mmpretrain.ResNet", depth=depth)
    if checkpoint is not None:
        config["init_cfg"] = dict(type="Pretrained", checkpoint=str(checkpoint), prefix=prefix)
    return MODELS.build(config)


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "r18.pth"
    state = {f"module.backbone.{name}": value for name, value in resnet(18).state_dict().items()}
    torch.save({"state_dict": {**state, "module.neck.weight": torch.zeros(2)}}, file)
    return file


def test_weights_of_the_same_architecture_pass_whatever_else_the_file_holds(resnet18_file):
    check_pretrained(resnet(18, resnet18_file))


def test_counters_of_batch_norms_may_be_missing(resnet18_file, tmp_path):
    state = torch.load(resnet18_file)["state_dict"]
    torch.save(
        {"state_dict": {n: v for n, v in state.items() if "num_batches" not in n}},
        tmp_path / "converted.pth",
    )
    check_pretrained(resnet(18, tmp_path / "converted.pth"))


@pytest.mark.parametrize("depth", [34, 50])
def test_another_depth_is_refused(resnet18_file, depth):
    with pytest.raises(HCSCError, match="another architecture"):
        check_pretrained(resnet(depth, resnet18_file))


def test_a_deeper_network_of_the_same_shapes_is_refused(tmp_path):
    file = tmp_path / "r34.pth"
    torch.save({f"backbone.{name}": value for name, value in resnet(34).state_dict().items()}, file)
    with pytest.raises(HCSCError, match="unexpected"):
        check_pretrained(resnet(18, file))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weight: weight.fill_(float("nan")),
            r"1 weights are NaN or infinite, the first is l",
        ),
        (lambda weight: weight.fill_(float("inf")), "NaN or infinite"),
        (lambda weight: (weight * 1000).to(torch.int8), "layer1.0.conv1.weight is of int8 there"),
        (lambda weight: weight.to(torch.complex64), "is of complex64 there, no real numbers"),
    ],
    ids=["NaN", "infinite", "quantised", "complex"],
)
def test_weights_of_the_right_shape_that_are_no_numbers_to_start_from_are_refused(
    resnet18_file, tmp_path, change, message
):
    state = torch.load(resnet18_file)["state_dict"]
    name = "module.backbone.layer1.0.conv1.weight"
    state[name] = change(state[name].clone())
    torch.save({"state_dict": state}, tmp_path / "bad.pth")
    with pytest.raises(HCSCError, match=message):
        check_pretrained(resnet(18, tmp_path / "bad.pth"))


def test_variances_below_zero_are_refused(resnet18_file, tmp_path):
    state = torch.load(resnet18_file)["state_dict"]
    state["module.backbone.layer1.0.bn1.running_var"][3] = -1e-3
    torch.save({"state_dict": state}, tmp_path / "bad.pth")
    with pytest.raises(HCSCError, match=r"layer1\.0\.bn1\.running_var holds a variance below 0"):
        check_pretrained(resnet(18, tmp_path / "bad.pth"))


def test_half_precision_passes(resnet18_file, tmp_path):
    state = torch.load(resnet18_file)["state_dict"]
    half = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    torch.save({"state_dict": half}, tmp_path / "half.pth")
    check_pretrained(resnet(18, tmp_path / "half.pth"))


def test_parts_that_share_a_checkpoint_may_share_its_weights(resnet18_file):
    front, back = resnet(18, resnet18_file), resnet(18, resnet18_file)
    del (
        back.conv1,
        back.bn1,
        back.layer1,
        back.layer2,
        back.layer3,
    )  # detection heads take the last stage alone
    del front.layer4
    check_pretrained(torch.nn.ModuleDict({"backbone": front, "shared_head": back}))
    with pytest.raises(HCSCError, match="unexpected"):
        check_pretrained(front)


def test_a_file_without_a_backbone_is_refused(tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "bare.pth")
    with pytest.raises(HCSCError, match=r"no weight under 'backbone\.'.*conv1\.weight"):
        check_pretrained(resnet(18, tmp_path / "bare.pth"))


def test_a_truncated_file_is_refused(resnet18_file, tmp_path):
    (tmp_path / "half.pth").write_bytes(resnet18_file.read_bytes()[:100_000])
    with pytest.raises(HCSCError, match="damaged"):
        check_pretrained(resnet(18, tmp_path / "half.pth"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(HCSCError, match="there is no checkpoint"):
        check_pretrained(resnet(18, tmp_path / "none.pth"))


def test_a_config_that_needs_weights_and_has_none_says_which_flag_gives_them():
    model = MODELS.build(
        dict(
            type="mmpretrain.ResNet",
            depth=18,
            init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone."),
        )
    )
    with pytest.raises(HCSCError, match="--checkpoint"):
        check_pretrained(model)


def test_the_checkpoint_goes_to_every_part_that_wants_one():
    model = ConfigDict(
        backbone=dict(
            type="ResNet", init_cfg=dict(type="Pretrained", checkpoint="old", prefix="backbone.")
        ),
        roi_head=dict(
            shared_head=dict(
                init_cfg=[dict(type="Pretrained", checkpoint="old", prefix="backbone.")]
            )
        ),
    )
    use_checkpoint(model, "new")
    assert (
        model.backbone.init_cfg.checkpoint
        == model.roi_head.shared_head.init_cfg[0].checkpoint
        == "new"
    )


def test_without_such_a_part_the_backbone_takes_it():
    model = ConfigDict(backbone=dict(type="ResNet"))
    use_checkpoint(model, "new")
    assert model.backbone.init_cfg == dict(type="Pretrained", checkpoint="new", prefix="backbone.")


@pytest.fixture
def files(tmp_path):
    """Weights of a ResNet-18 under the names that people have them under."""
    bare = resnet(18).state_dict()
    torch.save({"state_dict": {f"backbone.{n}": v for n, v in bare.items()}}, tmp_path / "whole")
    torch.save(bare, tmp_path / "torchvision")
    torch.save({f"encoder.{name}": value for name, value in bare.items()}, tmp_path / "other")
    half = {n: v for n, v in bare.items() if not n.startswith("layer4")}
    torch.save({f"backbone.{name}": value for name, value in half.items()}, tmp_path / "half")
    return tmp_path


def options_of(way: str, file: str) -> dict:
    """Three ways of mmpretrain and mmengine to start from weights."""
    start = dict(type="Pretrained", checkpoint=file)
    return {
        "init_cfg": {"model__backbone__init_cfg": start},
        "prefix": {"model__backbone__init_cfg": dict(start, prefix="backbone.")},
        "model.init_cfg": {"model__init_cfg": start},
        "model.pretrained": {"model__pretrained": file},
        "load_from": {"load_from": file},
    }[way]


@pytest.mark.parametrize(
    ("way", "name", "depth", "message"),
    [
        ("init_cfg", "whole", 18, r"none of the weights of backbone: 'backbone\.' stands before"),
        ("init_cfg", "other", 18, r"'encoder\.' stands before them; add prefix='encoder\.'"),
        ("init_cfg", "torchvision", 34, "another architecture"),
        ("prefix", "torchvision", 18, r"no weight under 'backbone\.'"),
        ("prefix", "half", 18, "missing"),
        ("model.init_cfg", "torchvision", 18, "holds no weight of this model"),
        ("model.pretrained", "torchvision", 18, "holds no weight of this model"),
        ("model.pretrained", "half", 18, "missing"),
        ("model.pretrained", "whole", 34, "another architecture"),
        ("load_from", "torchvision", 18, "holds no weight of this model"),
        ("load_from", "half", 18, "missing"),
        ("load_from", "whole", 34, "another architecture"),
    ],
)
def test_weights_that_do_not_fill_the_backbone_are_refused_whatever_way_they_are_given(
    files, tmp_path, way, name, depth, message
):
    with pytest.raises(HCSCError, match=message) as error:
        train(config(tmp_path / "run", depth, **options_of(way, str(files / name))))
    assert "\n" not in error.value.one_line()
    assert not list((tmp_path / "run").glob("*.pth"))


@pytest.mark.parametrize(
    ("way", "name"),
    [("init_cfg", "torchvision"), ("model.pretrained", "whole"), ("load_from", "whole")],
)
def test_weights_that_fill_it_are_in_both_encoders_at_the_first_step(files, tmp_path, way, name):
    runner = build_runner(config(tmp_path / "run", 18, **options_of(way, str(files / name))))
    wanted = torch.load(files / name, weights_only=True)
    wanted = wanted.get("state_dict", wanted)
    first = First()
    runner.register_hook(first)
    runner.train()
    prefix = "" if name == "torchvision" else "backbone."
    key = "layer4.1.conv2.weight"
    assert torch.equal(first.state[f"backbone.{key}"], wanted[prefix + key])
    copied = [value for name, value in first.state.items() if name.endswith(f"0.{key}")]
    assert copied and all(torch.equal(value, wanted[prefix + key]) for value in copied)


class First(Hook):
    """The weights as the first step meets them."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 0:
            self.state = {name: value.clone() for name, value in runner.model.state_dict().items()}


def config(folder, depth: int, **options):
    backbone = {"_delete_": True, "type": "ResNet", "depth": depth}
    options = {"model__backbone": backbone, "model__neck__in_channels": 512, **options}
    for key in [key for key in options if key.startswith("model__backbone__")]:
        backbone[key.removeprefix("model__backbone__")] = options.pop(key)
    few = {"train_dataloader__dataset__indices": 32, "train_cfg__max_epochs": 1}
    return tiny_config(folder, default_hooks__clustering=None, **few, **options)
