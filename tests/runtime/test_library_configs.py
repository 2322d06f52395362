"""Configs that inherit mmpretrain's own train by our tools as they do by mmpretrain's."""

import numpy as np
import pytest
from PIL import Image
from tiny import Record

from hcsc_mm.runtime.launch import build_runner, load_config

SMALL = """
model = dict(backbone=dict(depth=18, base_channels=4, stem_channels=4), neck=dict(in_channels=32))
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type="CustomDataset",
        data_root={images!r},
        with_label=False,
        pipeline=_base_.train_pipeline,
    ),
)
train_cfg = dict(max_epochs=1)
"""
METHODS = {
    "mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py": "model.update(queue_len=16)",
    "swav/swav_resnet50_8xb32-mcrop-coslr-200e_in1k-224px-96px.py": (
        "optim_wrapper = dict(clip_grad=dict(max_norm=1.0))\n"
        "custom_hooks = [dict(_base_.custom_hooks[0], batch_size=4, queue_length=8)]"
    ),
    "simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py": "",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for index in range(8):
        pixels = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize("name", METHODS, ids=lambda name: name.partition("/")[0])
def test_a_config_that_inherits_mmpretrains_trains(tmp_path, images, name):
    path = tmp_path / "config.py"
    text = f"_base_ = 'mmpretrain::{name}'\n" + SMALL.format(images=str(images))
    path.write_text(f"{text}{METHODS[name]}\n")
    cfg = load_config(str(path))
    cfg.work_dir, cfg.launcher, cfg.log_level = str(tmp_path / "run"), "none", "WARNING"
    runner, record = build_runner(cfg), Losses()
    runner.register_hook(record)
    runner.train()
    assert len(record.losses) == 2 and all(np.isfinite(record.losses))
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


class Losses(Record):
    def after_train_epoch(self, runner):
        """These have no hierarchies."""
