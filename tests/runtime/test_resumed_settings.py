"""A run that resumes under another config: the config holds, and what differs is named once."""

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

# Milliseconds an epoch, and no clusters: schedules are looked at here.
SHORT = {"train_dataloader.dataset.indices": 32, "default_hooks.clustering.warmup_epochs": 99}


class Rates(Hook):
    """Of each epoch: the optimizer's settings as it begins."""

    def __init__(self):
        self.lr, self.groups = [], []

    def before_train_epoch(self, runner):
        group = runner.optim_wrapper.param_groups[0]
        self.lr.append(group["lr"])
        self.groups.append({name: value for name, value in group.items() if name != "params"})


def config(folder, epochs, **options):
    cfg = tiny_config(folder, train_cfg__max_epochs=epochs, **options)
    cfg.merge_from_dict(dict(SHORT))
    cfg.log_level = "WARNING"
    return cfg


def rates_of(cfg):
    runner, rates = build_runner(cfg), Rates()
    runner.register_hook(rates)
    runner.train()
    return rates


def resumed(source, target, epoch, epochs, **options):
    target.mkdir()
    shutil.copy(source / f"epoch_{epoch}.pth", target)
    return rates_of(config(target, epochs, resume=True, **options))


def warnings_of(folder: Path) -> list[str]:
    """Those that speak of a resume."""
    log = max(folder.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    return [line for line in log.splitlines() if "WARNING" in line and "resumes with" in line]


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Eight epochs of a cosine from 0.06 to 0, all checkpoints kept; and the rates."""
    folder = tmp_path_factory.mktemp("eight")
    return folder, rates_of(config(folder, 8)).lr


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    return folder, rates_of(config(folder, 4)).lr


def test_a_longer_run_goes_on_along_the_longer_cosine(tmp_path, four, eight):
    rates = resumed(four[0], tmp_path / "run", 4, 8)
    assert rates.lr == eight[1][4:]
    (line,) = warnings_of(tmp_path / "run")
    assert "max_epochs 8 (was 4)" in line and "CosineAnnealingLR.T_max 8 (was 4)" in line
    assert "stands at lr 0.03, where the checkpoint's stood at 0.0087868" in line


def test_a_shorter_run_anneals(tmp_path, four, eight):
    rates = resumed(eight[0], tmp_path / "run", 2, 4)
    assert rates.lr == four[1][2:]
    assert len(warnings_of(tmp_path / "run")) == 1


def test_an_unchanged_config_is_not_spoken_of(tmp_path, eight):
    rates = resumed(eight[0], tmp_path / "run", 3, 8)
    assert rates.lr == eight[1][3:]
    assert warnings_of(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("options", "named", "settings"),
    [
        ({"optim_wrapper__optimizer__lr": 0.03}, "lr 0.03 (was 0.06)", {"initial_lr": 0.03}),
        (
            {"optim_wrapper__optimizer__weight_decay": 0.0},
            "weight_decay 0 (was 0.0005)",
            {"weight_decay": 0.0},
        ),
        ({"optim_wrapper__optimizer__momentum": 0.5}, "momentum 0.5 (was 0.9)", {"momentum": 0.5}),
        (
            {"optim_wrapper__optimizer__nesterov": True},
            "nesterov True (was False)",
            {"nesterov": True},
        ),
        (
            {"param_scheduler": [dict(type="MultiStepLR", milestones=[1], by_epoch=True)]},
            "param_scheduler MultiStepLR (was CosineAnnealingLR)",
            {"lr": pytest.approx(0.006)},
        ),
        (
            {
                "param_scheduler": [
                    dict(type="LinearLR", start_factor=0.5, by_epoch=True, end=2),
                    dict(type="CosineAnnealingLR", by_epoch=True, begin=2),
                ]
            },
            "param_scheduler LinearLR, CosineAnnealingLR (was CosineAnnealingLR)",
            {"lr": pytest.approx(0.06)},
        ),
        (
            {"param_scheduler": [dict(type="CosineAnnealingLR", by_epoch=True, eta_min=0.01)]},
            "CosineAnnealingLR.eta_min 0.01 (was 0)",
            {"initial_lr": 0.06},
        ),
        (
            {
                "param_scheduler": [
                    dict(type="CosineAnnealingLR", by_epoch=True, convert_to_iter_based=True)
                ]
            },
            "CosineAnnealingLR.by_epoch False (was True)",
            {"initial_lr": 0.06},
        ),
        ({"param_scheduler": None}, "lr 0.06 (was 0.0512132)", {"lr": 0.06}),
    ],
)
def test_what_the_config_changes_holds_and_is_named_in_one_warning(
    tmp_path, eight, options, named, settings
):
    rates = resumed(eight[0], tmp_path / "run", 2, 8, **options)
    assert {name: rates.groups[0][name] for name in settings} == settings
    (line,) = warnings_of(tmp_path / "run")
    assert named in line


def test_a_refitted_schedule_of_iterations_is_that_of_a_run_which_had_it_from_the_start(
    tmp_path, eight
):
    """Warm-up by iterations beneath a cosine by epochs, met in the middle of an epoch."""
    schedule = [
        dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=5),
        dict(type="CosineAnnealingLR", by_epoch=True),
    ]
    whole = rates_of(config(tmp_path / "whole", 8, param_scheduler=schedule))
    rates = resumed(eight[0], tmp_path / "run", 2, 8, param_scheduler=schedule)
    assert rates.lr == pytest.approx(whole.lr[2:], rel=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (dict(type="AdamW", lr=1e-3), r"optimizer is SGD, the config's AdamW"),
        (
            dict(type="SGD", lr=0.06, weight_decay=5e-4),
            r"has 1 groups of \d+ parameters, the config's \d+ of \d+",
        ),
    ],
    ids=["another optimizer", "other groups"],
)
def test_an_optimizer_that_the_state_does_not_fit_is_refused(tmp_path, eight, optimizer, message):
    options = {"optim_wrapper__optimizer": {"_delete_": True, **optimizer}}
    if optimizer["type"] == "SGD":
        options["optim_wrapper__paramwise_cfg"] = dict(norm_decay_mult=0.0)
    with pytest.raises(HCSCError, match=message):
        resumed(eight[0], tmp_path / "run", 2, 8, **options)


def test_a_checkpoint_without_its_schedule_takes_the_place_in_the_configs(tmp_path, eight):
    folder = tmp_path / "run"
    folder.mkdir()
    checkpoint = torch.load(eight[0] / "epoch_3.pth", weights_only=True)
    del checkpoint["param_schedulers"]
    torch.save(checkpoint, folder / "epoch_3.pth")
    rates = rates_of(config(folder, 8, resume=True))
    assert rates.lr == eight[1][3:]
    assert len(warnings_of(folder)) == 1


def test_a_schedule_with_a_function_in_it_resumes(tmp_path):
    options = {"param_scheduler": [dict(type="OneCycleLR", eta_max=0.1, by_epoch=True)]}
    whole = rates_of(config(tmp_path / "whole", 4, **options)).lr
    assert resumed(tmp_path / "whole", tmp_path / "run", 2, 4, **options).lr == whole[2:]


def test_a_run_that_is_over_says_that_there_is_nothing_to_train(tmp_path, four):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(four[0] / "epoch_4.pth", folder)
    assert rates_of(config(folder, 3, resume=True)).lr == []
    log = max(folder.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    assert "nothing to train: the checkpoint has made 8 of the 6 steps" in log


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """The checkpoint of two epochs, the second one with clusters."""
    folder = tmp_path_factory.mktemp("clustered")
    train(tiny_config(folder, train_cfg__max_epochs=2))
    return folder / "epoch_2.pth"


def test_more_warm_up_than_the_checkpoint_had_leaves_its_clusters_out(tmp_path, clustered):
    (tmp_path / "run").mkdir()
    shutil.copy(clustered, tmp_path / "run")
    options = {"default_hooks__clustering__warmup_epochs": 3, "train_cfg__max_epochs": 4}
    _, record = train(tiny_config(tmp_path / "run", resume=True, **options))
    assert record.hierarchies[2] is None and record.hierarchies[3] is not None


@pytest.mark.parametrize("levels", [(12, 6), (12, 6, 3, 2), (10, 5, 2)])
def test_other_levels_hold_from_the_first_epoch_of_a_resumed_run_on(tmp_path, clustered, levels):
    (tmp_path / "run").mkdir()
    shutil.copy(clustered, tmp_path / "run")
    options = {
        "default_hooks__clustering__num_prototypes": levels,
        "default_hooks__clustering__interval": 3,  # the next one would be before epoch 5
    }
    _, record = train(tiny_config(tmp_path / "run", resume=True, **options))
    assert record.hierarchies[2].num_prototypes == levels


def test_a_checkpoint_without_clusters_is_clustered_when_it_is_resumed_after_the_warm_up(tmp_path):
    options = {"default_hooks__clustering__warmup_epochs": 9}
    train(tiny_config(tmp_path / "moco", train_cfg__max_epochs=2, **options))
    (tmp_path / "run").mkdir()
    shutil.copy(tmp_path / "moco" / "epoch_2.pth", tmp_path / "run")
    options = {"default_hooks__clustering__interval": 5}  # due before epochs 2 and 7
    _, record = train(tiny_config(tmp_path / "run", resume=True, **options))
    assert record.hierarchies[2] is not None


def test_another_seed_is_said_to_have_no_effect(tmp_path, eight):
    resumed(eight[0], tmp_path / "run", 7, 8, randomness={"seed": 7})
    log = next((tmp_path / "run").glob("*/*.log")).read_text()
    assert "randomness.seed=7 has no effect" in log and "began with, 0; start anew" in log


def test_without_the_average_a_run_goes_on_from_the_weights_that_were_trained(tmp_path):
    average = [{"type": "EMAHook", "momentum": 0.1}]
    cfg = config(tmp_path / "average", 3)
    cfg.custom_hooks = average
    rates_of(cfg)
    whole = build_runner(config(tmp_path / "without", 3))
    whole.train()
    (tmp_path / "run").mkdir()
    shutil.copy(tmp_path / "average" / "epoch_2.pth", tmp_path / "run")
    runner = build_runner(config(tmp_path / "run", 3, resume=True))
    runner.train()
    assert largest_difference(runner.model.state_dict(), whole.model.state_dict()) == 0
    log = next((tmp_path / "run").glob("*/*.log")).read_text()
    assert "goes on from the weights that were trained, without the average" in log
