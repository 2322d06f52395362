"""The configs as they are, at full size: what they read, and what they make of a backbone."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from small_layouts import write_ade20k, write_cityscapes, write_coco, write_voc
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transfer_runs import DETECTION, SEGMENTATION, VITS16, config_path, few_regions

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner, load_config, train


def load(name: str, folder) -> Config:
    """A config of ours, with its data below ``folder``, where the process works."""
    pytest.importorskip("mmdet" if name in DETECTION else "mmseg")
    if name in DETECTION:
        pytest.importorskip("mmcv._ext", reason="mmcv is without its compiled operators")
    cfg = load_config(str(config_path(name)))
    cfg.work_dir, cfg.launcher, cfg.log_level, cfg.experiment_name = (
        str(folder / "run"),
        "none",
        "WARNING",
        folder.name,
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    return cfg


@pytest.fixture
def data(tmp_path, monkeypatch):
    for layout in (write_voc, write_cityscapes, write_ade20k, write_coco):
        layout(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [*DETECTION, *SEGMENTATION])
def test_images_reach_the_backbone_as_it_knows_them_from_pre_training(name, data):
    runner = build_runner(load(name, data))
    expected = (
        torch.tensor([254.0, 0, 0]) - torch.tensor([123.675, 116.28, 103.53])
    ) / torch.tensor([58.395, 57.12, 57.375])  # red, RGB
    for training, loader in (
        (True, runner.cfg.train_dataloader),
        (False, runner.cfg.val_dataloader),
    ):
        batch = next(iter(Runner.build_dataloader(loader)))
        inputs = runner.model.data_preprocessor(batch, training)["inputs"]  # (B, 3, H, W)
        assert min(inputs.shape[-2:]) >= 480
        if (
            name in DETECTION or not training
        ):  # segmentation distorts the colours of training images
            torch.testing.assert_close(inputs[0, :, 200, 200], expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("name", sorted({*DETECTION, *SEGMENTATION} - {*VITS16}))
def test_whole_backbone_is_trained_with_its_norms_and_strides_where_pre_training_had_them(
    name, data
):
    model = build_runner(load(name, data)).model.train()
    parts = [
        model.backbone,
        *([model.roi_head.shared_head] if getattr(model, "with_shared_head", False) else []),
    ]
    for part in parts:
        assert all(weight.requires_grad for weight in part.parameters())
        assert all(norm.training for norm in part.modules() if isinstance(norm, _BatchNorm))
    assert type(model.backbone).__name__ == "ResNet" and model.backbone.conv1.kernel_size == (7, 7)
    first = model.backbone.layer2[0]
    assert first.conv1.stride == (1, 1) and first.conv2.stride == (2, 2)


@pytest.mark.parametrize("name", VITS16)
def test_neck_makes_strides_4_to_32_of_a_transformers_maps_and_all_its_weights_are_trained(
    name, data
):
    model = build_runner(load(name, data)).model.train()
    features = model.extract_feat(torch.randn(2, 3, 96, 64))
    assert [tuple(one.shape[-2:]) for one in features[:4]] == [(24, 16), (12, 8), (6, 4), (3, 2)]
    sum((one * torch.randn_like(one)).sum() for one in features).backward()
    for part in (model.backbone, model.neck):
        assert all(weight.grad is not None for weight in part.parameters())


@pytest.mark.parametrize("name", [*DETECTION, *SEGMENTATION])
def test_training_without_a_checkpoint_says_which_flag_gives_it(name, data):
    with pytest.raises(HCSCError, match="add --checkpoint FILE"):
        train(load(name, data))


def test_voc_is_measured_at_all_thresholds_and_by_their_mean(data):
    cfg = load("faster-rcnn_r50_c4_24k_voc0712", data)
    few_regions(cfg)
    cfg.val_dataloader.dataset.pipeline[1].scale = (192, 128)
    scores = build_runner(cfg).val()
    thresholds = [f"pascal_voc/AP{percent}" for percent in range(50, 100, 5)]
    assert set(scores) == {"pascal_voc/mAP", *thresholds}
    assert scores["pascal_voc/mAP"] == pytest.approx(
        sum(scores[name] for name in thresholds) / 10, abs=1e-3
    )


def test_norm_behind_the_last_stage_gives_regions_the_scale_of_a_new_layer():
    pytest.importorskip("mmdet")
    pytest.importorskip("mmcv._ext", reason="mmcv is without its compiled operators")
    from hcsc_mm.models.shared_heads import NormedResLayer

    head = NormedResLayer(depth=18, norm_cfg=dict(type="BN"), norm_eval=False).train()
    with torch.no_grad():
        regions = head(torch.randn(8, 256, 14, 14) * 100)  # (R, C, H, W)
    assert regions.shape == (8, 512, 7, 7)
    torch.testing.assert_close(regions.mean((0, 2, 3)), torch.zeros(512), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        regions.var((0, 2, 3), unbiased=False), torch.ones(512), atol=1e-2, rtol=0
    )
    assert isinstance(head.norm, nn.BatchNorm2d) and not any(
        name.startswith("norm") for name in head.stage.state_dict()
    )
