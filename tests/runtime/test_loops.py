"""Loops that count iterations: what works in them, what is refused, and advice that was tried."""

import re

import pytest
from mmengine.hooks import Hook
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

STEPS = 100 // 16  # of an epoch


def iterations(folder, number, **options):
    loop = {"_delete_": True, "type": "IterBasedTrainLoop", "max_iters": number}
    return tiny_config(folder, train_cfg=loop, **options)


def epochs_until(folder, number, **options):
    loop = {"_delete_": True, "type": "hcsc_mm.ResumableTrainLoop", "max_iters": number}
    return tiny_config(folder, train_cfg=loop, **options)


class Views(Hook):
    """The first view of each image, whenever it comes up."""

    def __init__(self):
        self.seen = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for sample, view in zip(data_batch["data_samples"], data_batch["inputs"][0], strict=True):
            self.seen.setdefault(int(sample.sample_idx), []).append(view.clone())


def test_a_loop_without_epochs_is_refused_before_the_first_step_and_the_advice_works(tmp_path):
    with pytest.raises(
        HCSCError, match=r"works by epochs, and IterBasedTrainLoop has none"
    ) as error:
        train(iterations(tmp_path / "a", 13))
    assert not list((tmp_path / "a").glob("*.pth"))
    loop = re.search(r"train_cfg=(dict\(.*?\)),", str(error.value)).group(1)
    loop = {"_delete_": True, **eval(loop)}
    runner, record = train(tiny_config(tmp_path / "b", train_cfg=loop))
    assert (runner.iter, len(record.losses)) == (13, 13)
    assert "loss_prototype" in record.loss_names[-1]  # HCSC, and not MoCo
    options = {"default_hooks__clustering": None}
    assert train(iterations(tmp_path / "c", 13, **options))[0].iter == 13


@pytest.mark.parametrize(
    "hooks",
    [
        (),
        ("preemption",),
        ("checkpoint", "preemption"),
        ("epoch_seed", "non_finite", "collapse", "unreadable", "preflight"),
    ],
)
def test_default_hooks_accept_a_loop_of_iterations_and_none(tmp_path, hooks):
    options = {f"default_hooks__{name}": None for name in ("clustering", *hooks)}
    runner, record = train(iterations(tmp_path, STEPS + 2, **options))
    assert (runner.iter, len(record.losses)) == (STEPS + 2, STEPS + 2)
    names = {path.name for path in tmp_path.glob("*.pth")}
    wanted = set() if "checkpoint" in hooks else {f"iter_{STEPS}.pth", f"iter_{STEPS + 2}.pth"}
    assert names == wanted


def test_an_image_meets_other_augmentations_each_time_it_comes_up(tmp_path):
    runner = build_runner(iterations(tmp_path, 2 * STEPS, default_hooks__clustering=None))
    views = Views()
    runner.register_hook(views)
    runner.train()
    twice = [seen for seen in views.seen.values() if len(seen) == 2]
    assert len(twice) > 50 and not any(bool((one == two).all()) for one, two in twice)


def test_iterations_resume_where_they_were(tmp_path):
    options = {"default_hooks__clustering": None}
    train(iterations(tmp_path, STEPS + 1, **options))
    runner, record = train(iterations(tmp_path, STEPS + 3, resume=True, **options))
    assert (runner.iter, len(record.losses)) == (STEPS + 3, 2)


def test_a_schedule_of_epochs_in_a_loop_without_them_is_warned_of(tmp_path):
    train(iterations(tmp_path, 2, default_hooks__clustering=None))
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "CosineAnnealingLR moves at the ends of epochs, and IterBasedTrainLoop has none" in log


def test_epochs_end_when_so_many_iterations_have_been_made(tmp_path):
    """In the middle of the third epoch; a longer run is taken up from before that."""
    runner, record = train(epochs_until(tmp_path, 2 * STEPS + 1))
    assert (runner.epoch, runner.iter, len(record.losses)) == (3, 2 * STEPS + 1, 2 * STEPS + 1)
    assert train(epochs_until(tmp_path, 2 * STEPS + 1, resume=True))[1].losses == []
    with pytest.raises(HCSCError, match=r"ended within an epoch, after 13 steps"):
        train(epochs_until(tmp_path, 3 * STEPS, resume=True))
    source = str(tmp_path / "epoch_2.pth")
    runner, _ = train(epochs_until(tmp_path, 3 * STEPS, resume=True, load_from=source))
    assert (runner.epoch, runner.iter) == (3, 3 * STEPS)


@pytest.mark.parametrize("lengths", [{"max_epochs": 1, "max_iters": 3}, {"max_epochs": None}])
def test_a_loop_has_one_length(tmp_path, lengths):
    loop = {"_delete_": True, "type": "hcsc_mm.ResumableTrainLoop", **lengths}
    with pytest.raises(HCSCError, match="give one of them"):
        train(tiny_config(tmp_path, train_cfg=loop))


def test_a_sampler_that_never_ends_is_refused_in_a_loop_of_epochs(tmp_path):
    sampler = {"_delete_": True, "type": "InfiniteSampler", "shuffle": True}
    with pytest.raises(HCSCError, match="InfiniteSampler never ends an epoch"):
        train(tiny_config(tmp_path, train_dataloader__sampler=sampler))


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (
            {"default_hooks__clustering": None},
            "No hook gives HCSC clusters, without which it is MoCo",
        ),
        (
            {"default_hooks__clustering__warmup_epochs": 1},
            "warmup_epochs=1 of HierarchicalClusteringHook leaves none of the 1 epochs",
        ),
    ],
)
def test_a_run_that_is_moco_says_so(tmp_path, options, warning):
    train(tiny_config(tmp_path, train_cfg__max_epochs=1, **options))
    assert warning in next(tmp_path.glob("*/*.log")).read_text()
