"""Starting from pre-trained weights: all of them, or an error."""

from __future__ import annotations

import mmpretrain.models  # noqa: F401  registers ResNet
import pytest
import torch
from mmengine.config import ConfigDict
from mmpretrain.registry import MODELS

from hcsc_mm import HCSCError
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
