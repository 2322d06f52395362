"""The configs of ``configs/benchmarks`` for detection and segmentation, on a few small photographs:
twenty iterations in seconds.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from released import hcsc, save
from shared import SHARED, unpack

from hcsc_mm.registry import MODELS
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.weights import convert

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "benchmarks"
DETECTION = sorted(path.stem for path in (CONFIGS / "detection").glob("*.py"))
SEGMENTATION = sorted(path.stem for path in (CONFIGS / "segmentation").glob("*.py"))
VITS16 = [name for name in (*DETECTION, *SEGMENTATION) if "_vits16_" in name]
ITERATIONS = 20
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'helpers'}",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


needs_mmdet = pytest.mark.skipif(
    find_spec("mmdet") is None or find_spec("mmcv._ext") is None,
    reason="mmdet, or mmcv's compiled operators, are not installed",
)
needs_mmseg = pytest.mark.skipif(find_spec("mmseg") is None, reason="mmseg is not installed")


class Run(NamedTuple):
    """A finished run of the command line."""

    code: int
    output: str
    scalars: list[dict[str, float]]  # what was logged, line by line
    start: dict[str, torch.Tensor]  # the weights that the first step met

    def losses(self) -> list[float]:
        return [line["loss"] for line in self.scalars if "loss" in line]

    def metrics(self) -> dict[str, float]:
        """Of the last evaluation."""
        return self.scalars[-1]


def config_path(name: str) -> Path:
    return CONFIGS / ("detection" if name in DETECTION else "segmentation") / f"{name}.py"


def unpack_coco(folder: Path) -> Path:
    with tarfile.open(SHARED / "data/coco_tiny/coco_tiny.tar") as archive:
        unpack(archive, folder)
    return folder


def write_hcsc_checkpoint(file: Path) -> Path:
    """A ResNet-50 in the released layout, converted to ours; no weight has the value that an
    untrained network begins with.
    """
    source = save(hcsc(depth=50), file.with_name("released.pth.tar"))
    convert(source, file, "hcsc_mm")
    source.unlink()
    return file


def write_vit_checkpoint(file: Path) -> Path:
    """What the pre-training of our ViT-S saves; no weight has the value that an untrained network
    begins with.
    """
    cfg = load_config(str(ROOT / "configs/hcsc_vits16_300e_in1k.py"))
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg.model)
    for weight in model.backbone.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    torch.save({"state_dict": model.state_dict(), "meta": {"cfg": cfg.pretty_text}}, file)
    return file


def small_config(name: str, coco: Path, iterations: int = ITERATIONS) -> Config:
    """A config of ours with small images, few of them, and few regions; its model is as deep as it
    says. It saves nothing.
    """
    cfg = load_config(str(config_path(name)))
    (detect_small if name in DETECTION else segment_small)(cfg, coco)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = 2
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations, val_interval=iterations)
    cfg.merge_from_dict(
        {
            "default_hooks.checkpoint": dict(by_epoch=False, interval=10**6, save_last=False),
            "default_hooks.logger.interval": 1,
            "log_processor": dict(by_epoch=False),
            "custom_hooks": [dict(type="mmengine.SaveStartWeights")],
            "custom_imports.imports": [
                *cfg.get("custom_imports", {}).get("imports", []),
                "start_weights",
            ],
        }
    )
    return cfg


def detect_small(cfg: Config, coco: Path) -> None:
    train_pipeline = next(_values(cfg.train_dataloader, "pipeline"))
    next(step for step in train_pipeline if "Resize" in step.type)["scales"] = [
        (192, 96),
        (192, 128),
    ]
    cfg.val_dataloader.dataset.pipeline[1].scale = (192, 128)
    for loader, year in ((cfg.train_dataloader, "train2017"), (cfg.val_dataloader, "val2017")):
        loader.dataset = dict(
            type="CocoDataset",
            data_root=str(coco),
            ann_file=f"annotations/instances_{year}.json",
            data_prefix=dict(img=f"images/{year}/"),
            test_mode=year == "val2017",
            pipeline=train_pipeline if year == "train2017" else cfg.val_dataloader.dataset.pipeline,
        )
    metric = ["bbox", "segm"] if cfg.model.type == "MaskRCNN" else "bbox"
    cfg.val_evaluator = dict(
        type="CocoMetric", ann_file=str(coco / "annotations/instances_val2017.json"), metric=metric
    )
    few_regions(cfg)
    cfg.model.roi_head.bbox_head.num_classes = 80


def few_regions(cfg: Config) -> None:
    cfg.merge_from_dict(
        {
            "model.train_cfg.rcnn.sampler.num": 8,
            "model.train_cfg.rpn_proposal": dict(nms_pre=200, max_per_img=50),
            "model.test_cfg.rpn": dict(nms_pre=100, max_per_img=10),
            "model.test_cfg.rcnn.max_per_img": 10,
            # after twenty steps 80 classes are still about equal: none would count as found
            "model.test_cfg.rcnn.score_thr": 0.0,
        }
    )


def segment_small(cfg: Config, coco: Path) -> None:
    """COCO's 200 categories of things and stuff; pixels without a label are left out."""
    load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", reduce_zero_label=True)]
    resize = dict(type="Resize", scale=(64, 64), keep_ratio=False)
    for loader, year in ((cfg.train_dataloader, "train2017"), (cfg.val_dataloader, "val2017")):
        loader.dataset = dict(
            type="BaseSegDataset",
            data_root=str(coco),
            data_prefix=dict(img_path=f"images/{year}", seg_map_path=f"semantic/{year}"),
            metainfo=dict(classes=[f"category {number}" for number in range(1, 201)]),
            reduce_zero_label=True,
            indices=10,  # scores of 200 categories for every pixel of a photograph take a while
            pipeline=[
                load[0],
                *([load[1], resize] if year == "train2017" else [resize, load[1]]),
                dict(type="PackSegInputs"),
            ],
        )
    cfg.merge_from_dict(
        {
            "model.data_preprocessor.size": (64, 64),
            "model.decode_head.num_classes": 200,
            "model.auxiliary_head.num_classes": 200,
        }
    )
    cfg.model.test_cfg = dict(mode="whole")


def train(cfg: Config, checkpoint: Path, folder: Path) -> Run:
    """``tools/train.py`` on a config."""
    cfg.dump(folder / "small.py")
    return run(
        folder,
        sys.executable,
        ROOT / "tools/train.py",
        "small.py",
        "--checkpoint",
        checkpoint,
        "--work-dir",
        "run",
    )


def run(folder: Path, *command: Any) -> Run:
    """Run a command in a folder, and gather what it left there."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    files = sorted(folder.rglob("scalars.json"), key=lambda file: file.stat().st_mtime)
    scalars = [json.loads(line) for line in files[-1].read_text().splitlines()] if files else []
    start = next(folder.rglob("start_weights.pt"), None)
    weights = torch.load(start) if start else {}
    if start:
        start.unlink()  # 100 MB and more, which pytest would keep
    return Run(done.returncode, done.stdout + done.stderr, scalars, weights)


def backbone_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state = torch.load(checkpoint)["state_dict"]
    return {
        name.removeprefix("backbone."): value
        for name, value in state.items()
        if name.startswith("backbone.")
    }


def check_trained(run: Run, checkpoint: Path, iterations: int = ITERATIONS) -> None:
    """The run ended well, its losses are numbers, and it started from every backbone weight of the
    file.
    """
    assert run.code == 0, run.output
    losses = run.losses()
    assert len(losses) == iterations and all(math.isfinite(loss) for loss in losses)
    expected = backbone_weights(checkpoint)
    assert (
        f"all {len(expected)} weights under 'backbone.' come from {checkpoint}, none is missing"
        in run.output
    )
    parts = ("backbone.", "roi_head.shared_head.stage.")
    own = {
        name.removeprefix(part): value
        for name, value in run.start.items()
        for part in parts
        if name.startswith(part)
    }
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], expected[name]) for name in expected)


def _values(config: Any, key: str):
    """Every value of a key, at any depth."""
    if isinstance(config, dict):
        if key in config:
            yield config[key]
        for value in config.values():
            yield from _values(value, key)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _values(value, key)
