"""Training with augmentations on the model's device: it runs, repeats, resumes exactly."""

from __future__ import annotations

import shutil

import pytest
import torch
from photographs import photographs
from tiny import ROOT, largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import load_config

VIEW = dict(size=16, scale=(0.4, 1.0), blur_sigma=(0.1, 0.6))
ON_DEVICE = {
    "train_dataloader__dataset__pipeline": [
        dict(type="hcsc_mm.WholeImage"),
        dict(type="PackInputs"),
    ],
    "train_dataloader__collate_fn__type": "hcsc_mm.pad_collate",
    "model__data_preprocessor__type": "hcsc_mm.DeviceAugmentation",
    "model__data_preprocessor__views": [VIEW, VIEW],
}
EPOCHS = 3


def config(work_dir, **options):
    return tiny_config(work_dir, **{**ON_DEVICE, "train_cfg__max_epochs": EPOCHS, **options})


def test_two_runs_with_one_seed_are_equal_and_with_another_are_not(tmp_path):
    first, second, other = (
        train(config(tmp_path / name, randomness__seed=seed))[0].model.state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert largest_difference(first, second) == 0
    assert largest_difference(first, other) > 1e-3


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resuming_at_any_epoch_boundary_gives_the_numbers_of_the_uninterrupted_run(
    tmp_path, num_workers
):
    options = {"train_dataloader__num_workers": num_workers}
    whole, record = train(config(tmp_path / "whole", **options))
    steps = len(record.losses) // EPOCHS
    for epoch in range(1, EPOCHS):
        folder = tmp_path / f"from{epoch}"
        folder.mkdir()
        shutil.copy(tmp_path / "whole" / f"epoch_{epoch}.pth", folder)
        (folder / "last_checkpoint").write_text(str(folder / f"epoch_{epoch}.pth"))
        resumed, rest = train(config(folder, resume=True, **options))
        assert rest.losses == pytest.approx(record.losses[epoch * steps :], rel=1e-6)
        assert largest_difference(resumed.model.state_dict(), whole.model.state_dict()) <= 1e-6
        assert torch.equal(resumed.model.hierarchy.assignment, whole.model.hierarchy.assignment)


def test_local_views_are_trained_on(tmp_path):
    local = dict(size=12, scale=(0.2, 0.5))
    _, record = train(
        config(
            tmp_path,
            train_cfg__max_epochs=2,
            model__data_preprocessor__views=[VIEW, VIEW, local, local],
        )
    )
    assert {name for names in record.loss_names for name in names} >= {
        "loss_instance",
        "loss_local_instance",
    }


def test_a_single_view_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(HCSCError, match=r"at least two views .*DeviceAugmentation"):
        train(config(tmp_path, model__data_preprocessor__views=[VIEW]))


def test_a_pipeline_that_still_makes_views_is_refused_with_the_remedy(tmp_path):
    options = {key: value for key, value in ON_DEVICE.items() if key.startswith("model")}
    with pytest.raises(
        HCSCError,
        match=(
            r"set train_dataloader\.collate_fn\.type=hcsc_mm\.pad_collate, and "
            r"hcsc_mm\.WholeImage"
        ),
    ):
        train(tiny_config(tmp_path, **options))


def test_the_folder_config_trains_on_photographs_of_any_size_and_skips_a_broken_one(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, image in enumerate(photographs("made", number=8)):
        image.resize((image.width // 2, image.height // 2)).save(folder / f"{index}.jpg")
    (folder / "broken.jpg").write_bytes((folder / "0.jpg").read_bytes()[:2000])
    cfg = load_config(str(ROOT / "configs/hcsc_r18_devaug_200e_folder.py"))
    cfg.merge_from_dict(
        {
            "train_dataloader.dataset.data_root": str(folder),
            "train_dataloader.dataset.pipeline.0.unreadable": "skip",
            "train_dataloader.num_workers": 0,
            "train_dataloader.batch_size": 4,
            "model.data_preprocessor.views.0.size": 64,
            "model.data_preprocessor.views.1.size": 64,
            "default_hooks.clustering.pipeline.0.unreadable": "skip",
            "default_hooks.clustering.pipeline.1.scale": 73,
            "default_hooks.clustering.pipeline.2.crop_size": 64,
            "default_hooks.clustering.warmup_epochs": 0,
            "default_hooks.clustering.num_prototypes": (4, 2),
            "model.queue_len": 8,
            "train_cfg.max_epochs": 2,
        }
    )
    cfg.work_dir, cfg.launcher, cfg.log_level = str(tmp_path / "run"), "none", "ERROR"
    _, record = train(cfg)
    assert len(record.losses) == 2 * (9 // 4)
    assert record.hierarchies[1].num_samples == 9
