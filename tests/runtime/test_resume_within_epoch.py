"""A run that was interrupted in the middle of an epoch ends where the uninterrupted one ends."""

import pytest
import torch
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

STEPS = 100 // 16  # of an epoch


class KilledError(Exception):
    pass


class KillAfter(Hook):
    """Ends the run after so many iterations, when all other hooks are done with the last."""

    priority = "LOWEST"

    def __init__(self, iterations):
        self.iterations = iterations

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iterations:
            raise KilledError


def config(folder, **options):
    return tiny_config(folder, default_hooks__checkpoint__every_n_iters=1, **options)


def killed_after(iterations, cfg):
    """A run with a checkpoint after its last step, and perhaps some before."""
    runner = build_runner(cfg)
    runner.register_hook(KillAfter(iterations))
    with pytest.raises(KilledError):
        runner.train()


def resumed(folder, **options):
    cfg = config(folder, resume=True, **options)
    cfg.experiment_name += "_again"
    return train(cfg)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Options → the run with them that nothing stops and its record; each is trained once."""
    runs = {}

    def run(options):
        name = repr(options)
        if name not in runs:
            runs[name] = train(tiny_config(tmp_path_factory.mktemp("whole"), **options))
        return runs[name]

    return run


@pytest.mark.parametrize(
    ("iterations", "options"),
    [
        (2, {}),  # in the warm-up
        (STEPS, {}),  # the epoch's last step is done, its end is not
        (STEPS + 1, {}),  # one step after the first clustering
        (STEPS + 4, {"train_dataloader__num_workers": 2}),
        (
            2 * STEPS + 3,
            {"default_hooks__clustering__interval": 2},
        ),  # with the hierarchy of the epoch before
        (STEPS + 2, {"default_hooks__clustering__warm_start": True}),
        (STEPS + 2, {"default_hooks__clustering__features": "bank"}),
        (STEPS - 2, {"default_hooks__clustering__features": "bank"}),
        (
            STEPS + 2,
            {"param_scheduler": [dict(type="CosineAnnealingLR", by_epoch=False, T_max=18)]},
        ),
        (STEPS + 2, {"optim_wrapper__optimizer": dict(_delete_=True, type="AdamW", lr=1e-3)}),
    ],
    ids=[
        "warm-up",
        "end",
        "after clustering",
        "two workers",
        "interval",
        "warm start",
        "key bank",
        "key bank in the last epoch of the warm-up",
        "schedule by step",
        "AdamW",
    ],
)
def test_resuming_within_an_epoch_gives_the_numbers_of_the_uninterrupted_run(
    tmp_path, iterations, options, uninterrupted
):
    whole, record = uninterrupted(options)
    killed_after(iterations, config(tmp_path / "killed", **options))
    rest, rest_record = resumed(tmp_path / "killed", **options)
    assert rest_record.losses == record.losses[iterations:]
    assert largest_difference(rest.model.state_dict(), whole.model.state_dict()) <= 1e-6
    assert torch.equal(rest.model.hierarchy.assignment, whole.model.hierarchy.assignment)
    assert rest.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()
    assert (rest.epoch, rest.iter) == (whole.epoch, whole.iter)


def test_resuming_within_an_epoch_does_not_cluster_again(tmp_path):
    killed_after(STEPS + 3, config(tmp_path))
    cfg = config(tmp_path, resume=True, log_level="INFO")
    cfg.log_level, cfg.experiment_name = "INFO", cfg.experiment_name + "_again"
    train(cfg)
    log = max(tmp_path.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    assert [
        line.split("before epoch ")[1][0]
        for line in log.splitlines()
        if "Clustering before epoch" in line
    ] == ["3"]


def test_images_done_are_not_read_again(tmp_path):
    killed_after(STEPS - 1, config(tmp_path))
    cfg = config(tmp_path, resume=True, train_cfg__max_epochs=1)
    cfg.experiment_name += "_again"
    runner = build_runner(cfg)
    dataset, read = runner.train_dataloader.dataset, []
    original = dataset.prepare_data
    dataset.prepare_data = lambda index: read.append(index) or original(index)
    runner.train()
    assert len(read) == 8 + 16  # those that are tried before the first step, and the last batch


def test_writing_checkpoints_leaves_no_trace_in_the_numbers(tmp_path, uninterrupted):
    often, rarely = train(config(tmp_path))[0], uninterrupted({})[0]
    assert largest_difference(often.model.state_dict(), rarely.model.state_dict()) == 0


def test_number_of_workers_leaves_no_trace_in_the_numbers(uninterrupted):
    none, two = (
        uninterrupted(options)[0].model.state_dict()
        for options in ({}, {"train_dataloader__num_workers": 2})
    )
    assert largest_difference(none, two) == 0


def test_checkpoint_within_an_epoch_goes_when_the_epoch_is_saved(tmp_path):
    train(config(tmp_path, default_hooks__checkpoint__max_keep_ckpts=2))
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["epoch_2.pth", "epoch_3.pth"]


def test_gradient_accumulation_postpones_the_checkpoint_to_the_optimizer_step(tmp_path):
    options = {"optim_wrapper__accumulative_counts": 2, "train_cfg__max_epochs": 2}
    whole, _ = train(tiny_config(tmp_path / "whole", **options))
    killed_after(STEPS + 3, config(tmp_path / "killed", **options))
    assert (tmp_path / "killed" / f"iter_{STEPS + 2}.pth").is_file()
    rest, _ = resumed(tmp_path / "killed", **options)
    assert largest_difference(rest.model.state_dict(), whole.model.state_dict()) <= 1e-6


def test_resuming_with_another_batch_size_goes_on_after_the_images_done_and_says_what_differs(
    tmp_path,
):
    killed_after(STEPS + 3, config(tmp_path))
    cfg = config(tmp_path, resume=True, train_dataloader__batch_size=12)
    cfg.log_level, cfg.experiment_name = "INFO", cfg.experiment_name + "_again"
    runner, record = train(cfg)
    left = 100 // 12 - (3 * 16) // 12
    assert len(record.losses) == left + 100 // 12
    assert runner.iter == 3 * (100 // 12)
    log = max(tmp_path.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    assert (
        sum(
            "resumes with 1 × 12 images a step what ran with 1 × 16" in line
            for line in log.splitlines()
        )
        == 1
    )


def test_plain_loop_refuses_a_checkpoint_within_an_epoch(tmp_path):
    killed_after(STEPS + 3, config(tmp_path))
    with pytest.raises(HCSCError, match="ResumableTrainLoop"):
        train(
            config(
                tmp_path / "other",
                resume=True,
                load_from=str(tmp_path / "iter_9.pth"),
                train_cfg__type="EpochBasedTrainLoop",
            )
        )


class BreakWeights(Hook):
    priority = "HIGH"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == STEPS + 1:
            next(runner.model.backbone.parameters()).data.view(-1)[0] = float("nan")


def test_broken_weights_are_not_saved_within_an_epoch(tmp_path):
    runner = build_runner(config(tmp_path))
    runner.register_hook(BreakWeights())
    with pytest.raises(
        HCSCError,
        match=(
            r"NaN or infinite in epoch 2, .* the last good checkpoint is "
            rf".*iter_{STEPS + 1}\.pth"
        ),
    ):
        runner.train()
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == [
        "epoch_1.pth",
        f"iter_{STEPS + 1}.pth",
    ]
