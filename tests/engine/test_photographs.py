"""The folder config on real photographs."""

import tarfile

import torch
from shared import SHARED, needs_grocery, unpack
from tiny import ROOT, train

from hcsc_mm.runtime.launch import load_config


@needs_grocery
def test_folder_config_trains_on_photographs_and_its_hierarchy_moves(tmp_path):
    with tarfile.open(SHARED / "data/grocery/grocery_short128.tar") as archive:
        unpack(
            archive,
            tmp_path,
            [member for member in archive.getmembers() if member.name.startswith("train/")],
        )
    cfg = load_config(str(ROOT / "configs/hcsc_r18_200e_folder.py"))
    cfg.merge_from_dict(
        {
            "train_dataloader.dataset.data_root": str(tmp_path / "train"),
            "train_dataloader.num_workers": 2,
            "train_dataloader.dataset.pipeline.1.transforms.0.0.scale": 32,
            "default_hooks.clustering.pipeline.1.scale": 37,
            "default_hooks.clustering.pipeline.2.crop_size": 32,
            "default_hooks.clustering.warmup_epochs": 0,
            "train_cfg.max_epochs": 2,
            # an eighth of the channels, a quarter of the pixels: little of the work
            "model.backbone.stem_channels": 8,
            "model.backbone.base_channels": 8,
            "model.neck.in_channels": 64,
        }
    )
    cfg.work_dir, cfg.launcher, cfg.log_level = str(tmp_path / "run"), "none", "WARNING"
    _, record = train(cfg)
    assert len(record.losses) == 2 * (2640 // 64)
    first, second = record.hierarchies[0], record.hierarchies[1]
    assert first.num_samples == second.num_samples == 2640
    assert first.num_prototypes == second.num_prototypes == (300, 100, 30)
    assert not torch.equal(first.assignment, second.assignment)
    assert (first.prototypes[0] - second.prototypes[0]).abs().max() > 1e-2
