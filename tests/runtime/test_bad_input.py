"""What a user can get wrong ends before training, in one line that names it."""

import pytest
import torch
from mmengine.hooks import Hook
from noise import noise, save_pngs
from tiny import folder_config, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"default_hooks__clustering__num_prototypes": (101, 5)},
            r"num_prototypes\[0\]=101 exceeds the 100 training images; set at most 100",
        ),
        (
            {"default_hooks__clustering__num_prototypes": (12, 13)},
            r"num_prototypes\[1\]=13 must be below num_prototypes\[0\]=12",
        ),
        (
            {"default_hooks__clustering__num_prototypes": (12, 12)},
            r"num_prototypes\[1\]=12 must be below num_prototypes\[0\]=12",
        ),
        (
            {"default_hooks__clustering__num_prototypes": (12, 1)},
            r"num_prototypes\[1\]=1 must be at least 2",
        ),
        (
            {"default_hooks__clustering__num_prototypes": (0,)},
            r"num_prototypes\[0\]=0 must be at least 2",
        ),
        ({"default_hooks__clustering__num_prototypes": ()}, r"num_prototypes is empty"),
        ({"model__queue_len": 15}, r"total batch 16 × 1 = 16 exceeds the queue length 15"),
        (
            {"train_dataloader__batch_size": 128, "model__queue_len": 256},
            r"no batch of 128 fits into the 100 training images",
        ),
        ({"default_hooks__clustering__backend": "sklearn"}, r"backend='sklearn' is unknown"),
        ({"default_hooks__clustering__warmup_epochs": -1}, r"warmup_epochs=-1"),
        ({"default_hooks__clustering__temperature": 0.0}, r"temperature=0\.0 of Hier.* above 0"),
        ({"default_hooks__clustering__seed": "a"}, r"seed='a' of Hier.* whole number"),
        ({"default_hooks__clustering__num_workers": -1}, r"num_workers=-1 of Hier.* at least 0"),
        ({"default_hooks__clustering__batch_size": 0}, r"batch_size=0 of Hier.* at least 1"),
        ({"default_hooks__clustering__interval": 1.5}, r"interval=1\.5 of Hier.* whole number"),
        (
            {"model__data_preprocessor__std": [0.0, 1.0, 1.0]},
            r"std=\[0\.0, 1\.0, 1\.0\] of model\.data_preprocessor must be finite, and std above 0",
        ),
        (
            {"optim_wrapper__clip_grad": {"max_norm": -1.0}},
            r"max_norm=-1\.0 of optim_wrapper\.clip",
        ),
        ({"optim_wrapper__clip_grad": {"max_norm": "a"}}, r"max_norm='a' of optim_wrapper\.clip"),
        ({"optim_wrapper__clip_grad": {"max_nrm": 1.0}}, r"clip_grad has max_nrm, and no max_norm"),
        (
            {"optim_wrapper__clip_grad": {"type": "value", "clip_value": 0}},
            r"clip_value=0 of optim_wrapper\.clip_grad must be a number above 0",
        ),
        ({"model__head__rule": "mine"}, r"rule='mine' is unknown"),
        (
            {"model__backbone__norm_cfg__num_splits": 5},
            r"batch 16 is not divisible by num_splits=5",
        ),
    ],
)
def test_wrong_number_is_refused_before_anything_is_saved(tmp_path, options, message):
    with pytest.raises(HCSCError, match=message):
        train(tiny_config(tmp_path, **options))
    assert not list(tmp_path.rglob("*.pth"))


def test_batch_that_does_not_divide_the_queue_wraps_around(tmp_path):
    runner, _ = train(tiny_config(tmp_path, model__queue_len=17))
    assert int(runner.model.queue.pointer) == 3 * (100 // 16) * 16 % 17


def test_training_set_that_is_a_wrapper_is_refused(tmp_path):
    cfg = tiny_config(tmp_path)
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type="ConcatDataset", datasets=[inner, inner])
    with pytest.raises(HCSCError, match=r"ConcatDataset"):
        train(cfg)


@pytest.fixture
def images(tmp_path):
    return save_pngs(noise(32), tmp_path / "images")


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(HCSCError, match=r"gone does not exist; set data_root"):
        train(folder_config(tmp_path, tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(HCSCError, match=r"no image under .*empty"):
        train(folder_config(tmp_path, tmp_path / "empty"))


def test_unreadable_image_stops_the_run_with_its_path(tmp_path, images):
    (images / "05.png").write_bytes(b"this is no picture")
    with pytest.raises(HCSCError, match=r"cannot read image .*05\.png"):
        train(folder_config(tmp_path, images))


def test_unreadable_image_is_skipped_if_the_config_says_so(tmp_path, images):
    (images / "05.png").write_bytes(b"this is no picture")
    _, record = train(folder_config(tmp_path, images, unreadable="skip"))
    assert record.hierarchies[1].num_samples == 32
    readable = torch.arange(32) != 5
    assert len(record.hierarchies[1].assignment[readable].unique()) == 8


def test_extraction_data_set_with_other_files_is_refused(tmp_path, images):
    cfg = folder_config(tmp_path, images)
    names = sorted(path.name for path in images.iterdir())
    (images / "list.txt").write_text("\n".join(reversed(names)))
    cfg.default_hooks.clustering.dataset = dict(
        type="hcsc_mm.ImageFolder", data_root=str(images), ann_file="list.txt"
    )
    with pytest.raises(HCSCError, match=r"image 0 is .*00\.png in the training set and .*31\.png"):
        train(cfg)
    (images / "list.txt").write_text("\n".join(names[:-1]))
    cfg.experiment_name += "_shorter"
    with pytest.raises(HCSCError, match=r"has 31 images, the training set 32"):
        train(cfg)


class BreakWeights(Hook):
    """Puts a NaN into a weight before an epoch, or at the end of one."""

    priority = "VERY_HIGH"

    def __init__(self, stage):
        self.stage = stage

    def before_train_epoch(self, runner):
        if self.stage == "before" and runner.epoch == 1:
            next(runner.model.momentum_encoder.parameters()).data.fill_(float("nan"))

    def after_train_epoch(self, runner):
        if self.stage == "after" and runner.epoch == 1:
            next(runner.model.backbone.parameters()).data.view(-1)[0] = float("nan")


def test_broken_running_statistics_are_not_saved_either(tmp_path):
    class BreakStatistics(Hook):
        def after_train_epoch(self, runner):
            next(
                buffer for name, buffer in runner.model.named_buffers() if "running_var" in name
            ).fill_(float("inf"))

    runner = build_runner(tiny_config(tmp_path))
    runner.register_hook(BreakStatistics(), priority="HIGH")
    with pytest.raises(
        HCSCError,
        match=r"NaN or infinite in epoch 1, which is not saved; no epoch was saved before",
    ):
        runner.train()
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("before", r"features are NaN or infinite, the first is of sample 0 \(.*00\.png\)"),
        (
            "after",
            r"NaN or infinite in epoch 2, which is not saved; the last good checkpoint is "
            r".*epoch_1\.pth",
        ),
    ],
)
def test_broken_weights_stop_the_run_and_keep_the_last_good_checkpoint(
    tmp_path, images, stage, message
):
    runner = build_runner(folder_config(tmp_path, images))
    runner.register_hook(BreakWeights(stage))
    with pytest.raises(HCSCError, match=message):
        runner.train()
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == ["epoch_1.pth"]
    saved = torch.load(tmp_path / "run" / "epoch_1.pth", weights_only=False)["state_dict"]
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_error_of_a_loader_worker_is_one_line_without_its_traceback(tmp_path, images):
    (images / "05.png").write_bytes(b"this is no picture")
    cfg = folder_config(tmp_path, images)
    cfg.train_dataloader.num_workers = 1
    with pytest.raises(HCSCError) as error:
        train(cfg)
    assert error.value.one_line().startswith("cannot read image ")
    assert "\n" not in error.value.one_line()
