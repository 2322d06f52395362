"""Small folders of labelled images, and stage configs on them that take a few seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmpretrain.models import ResNet
from PIL import Image
from tiny import ROOT

from hcsc_mm.runtime.launch import load_config

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 60), "red": (210, 30, 40)}


def labelled_folder(folder: Path, train: int = 8, val: int = 5, classes: dict = COLOURS) -> Path:
    """train/<class>/ and val/<class>/ with noisy squares of the class's colour."""
    random = np.random.default_rng(0)
    for part, number in (("train", train), ("val", val)):
        for name, colour in classes.items():
            (folder / part / name).mkdir(parents=True)
            for index in range(number):
                pixels = np.array(colour) + random.normal(0, 25, (24, 24, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                    folder / part / name / f"{name}_{index}.png"
                )
    return folder


def tiny_resnet() -> ResNet:
    return ResNet(18, stem_channels=4, base_channels=4, zero_init_residual=False)


def tiny_checkpoint(file: Path) -> Path:
    """Of a ResNet-18 with 32 output channels, whose batch norms have statistics of their own."""
    backbone = tiny_resnet()
    backbone.init_weights()
    backbone.train()
    backbone(torch.randn(16, 3, 32, 32))
    torch.save(
        {
            "state_dict": {
                f"backbone.{name}": value for name, value in backbone.state_dict().items()
            },
            "meta": {},
        },
        file,
    )
    return file


def stage_config(
    name: str, tmp_path: Path, images: Path, work_dir: str = "run", **options
) -> Config:
    """configs/benchmarks/<name>.py on the tiny network and small images; options are
    ``--cfg-options`` with '__' for '.'.
    """
    checkpoint = tmp_path / "pretrained.pth"
    if not checkpoint.exists():
        tiny_checkpoint(checkpoint)
    cfg = load_config(str(ROOT / "configs" / "benchmarks" / f"{name}.py"))
    changes = {
        "model.backbone.depth": 18,
        "model.backbone.stem_channels": 4,
        "model.backbone.base_channels": 4,
        "model.backbone.init_cfg.checkpoint": str(checkpoint),
        "model.head.in_channels": 32,
        "model.head.num_classes": 3,
        # leaves no batch of one image, which is too small for batch norm on maps of one pixel
        "train_dataloader.batch_size": 6,
        "train_dataloader.dataset.pipeline.1.scale": 16,
        "train_cfg.max_epochs": 2,
    }
    for part in ("train", "val", "test"):
        changes.update(
            {
                f"{part}_dataloader.dataset.data_root": str(images),
                f"{part}_dataloader.num_workers": 0,
            }
        )
        changes[f"{part}_dataloader.dataset.serialize_data"] = (
            False  # it takes a quarter of a second, whatever the size
        )
    for part in ("val", "test"):
        changes.update(
            {
                f"{part}_dataloader.dataset.pipeline.1.scale": 18,
                f"{part}_dataloader.dataset.pipeline.2.crop_size": 16,
            }
        )
        changes[f"{part}_evaluator.topk"] = (1,)
    cfg.merge_from_dict(
        {**changes, **{key.replace("__", "."): value for key, value in options.items()}}
    )
    cfg.work_dir, cfg.launcher, cfg.log_level = str(tmp_path / work_dir), "none", "WARNING"
    cfg.experiment_name = cfg.work_dir.replace("/", "_")
    return cfg
