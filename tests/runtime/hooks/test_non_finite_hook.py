"""A loss or a weight that is no number ends the run with a report, and the last good checkpoint
stays.
"""

import re

import pytest
import torch
from bad_runs import photographs
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from tiny import Record, folder_config, tiny_config

from hcsc_mm import HCSCError
from hcsc_mm.engine import NonFiniteHook
from hcsc_mm.runtime.launch import build_runner

STEPS = 6  # an epoch of 100 images in batches of 16


@OPTIM_WRAPPERS.register_module()
class LossScalingOnCPU(AmpOptimWrapper):
    """mmengine's mixed precision wants a GPU; this is its loss scaling alone, with PyTorch's own
    scaler.
    """

    def __init__(self, init_scale: float, **kwargs) -> None:
        OptimWrapper.__init__(self, **kwargs)
        self.loss_scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
        self._scale_update_param = self.cast_dtype = None

    def optim_context(self, model):
        return OptimWrapper.optim_context(self, model)


class Break(Hook):
    """Before an iteration: a NaN in a weight, a learning rate that throws the weights out, or
    gradients that are infinite.
    """

    priority = "VERY_HIGH"

    def __init__(self, iteration: int, what: str) -> None:
        self.iteration, self.what = iteration, what
        self.batches: list[list[int]] = []
        self.states: list[dict] = []

    def before_train(self, runner) -> None:
        weight = next(runner.model.backbone.parameters())
        weight.register_hook(
            lambda gradient: (
                gradient / 0 if self._now(runner, "gradients", "all gradients") else gradient
            )
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.batches.append([sample.sample_idx for sample in data_batch["data_samples"]])
        if self._now(runner, "weight"):
            next(runner.model.backbone.parameters()).data.view(-1)[0] = float("nan")
        if self._now(runner, "lr"):
            runner.optim_wrapper.optimizer.param_groups[0]["lr"] = 1e30

    def _now(self, runner, *kinds: str) -> bool:
        iteration = runner.iter + 1
        return self.what in kinds and (
            iteration == self.iteration
            or (self.what == "all gradients" and iteration > self.iteration)
        )


def run(cfg, *hooks):
    """The runner, what it recorded, and the message that it stopped with."""
    runner, record = build_runner(cfg), Record()
    for hook in (record, *hooks):
        runner.register_hook(hook)
    try:
        runner.train()
    except HCSCError as error:
        return runner, record, str(error)
    return runner, record, None


def log_of(work_dir):
    return next(work_dir.glob("*/*.log")).read_text()


def checkpoints(work_dir):
    return sorted(path.name for path in work_dir.glob("*.pth"))


def test_learning_rate_of_1e30_stops_the_run_with_a_report_and_the_last_checkpoint_stays(tmp_path):
    cfg = tiny_config(tmp_path)
    breaking = Break(STEPS + 2, "lr")
    _, record, message = run(cfg, breaking)
    losses = torch.tensor(record.losses)
    first = int((~torch.isfinite(losses)).nonzero()[0])
    assert first >= STEPS + 2
    assert f"in epoch 2, iteration {first + 1}, which is not saved" in message
    assert re.match(r"loss_instance( and loss_prototype)? is nan|loss_prototype is nan", message)
    before = ", ".join(f"{loss:.4g}" for loss in record.losses[first - 3 : first])
    assert f"losses before: {before};" in message
    assert "learning rate 1e+30" in message
    assert "no loss scaling" in message
    assert f"the last good checkpoint is {tmp_path}/epoch_1.pth" in message
    assert "\n" not in message
    assert checkpoints(tmp_path) == ["epoch_1.pth"]
    saved = torch.load(tmp_path / "epoch_1.pth", weights_only=False)
    assert all(bool(torch.isfinite(value).all()) for value in saved["state_dict"].values())
    assert saved["meta"]["iter"] == STEPS


def test_report_names_the_first_samples_of_the_broken_batch_and_the_log_all_of_them(tmp_path):
    breaking = Break(3, "weight")
    _, _, message = run(tiny_config(tmp_path), breaking)
    first, second, third, *_ = samples = breaking.batches[2]
    assert "in epoch 1, iteration 3," in message
    assert (
        f"samples {first}, {second}, {third} and 13 more in the log; no epoch was saved before"
        in message
    )
    (line,) = [line for line in log_of(tmp_path).splitlines() if "its samples" in line]
    assert line.endswith(", ".join(map(str, samples)))


def test_samples_that_are_files_are_named_by_their_paths(tmp_path):
    images = photographs(tmp_path / "images")
    breaking = Break(1, "weight")
    _, _, message = run(folder_config(tmp_path, images), breaking)
    index = breaking.batches[0][0]
    assert f"samples {index} ({images}/{index:02}.png), " in message


@pytest.mark.parametrize(
    ("interval", "stops_after"),
    [(1, 2), (4, 4), (50, STEPS)],
    ids=["every step", "every fourth", "end of the epoch"],
)
def test_losses_are_looked_at_every_interval_and_epoch_end_and_the_first_broken_is_named(
    tmp_path, interval, stops_after
):
    _, record, message = run(
        tiny_config(tmp_path, default_hooks__non_finite__interval=interval), Break(2, "weight")
    )
    assert "iteration 2," in message
    assert len(record.losses) in (
        stops_after - 1,
        stops_after,
    )  # the recording hook comes after the one that raises
    assert checkpoints(tmp_path) == []


def test_broken_keys_are_reported_before_they_are_clustered(tmp_path):
    _, record, message = run(
        tiny_config(tmp_path, default_hooks__clustering__features="bank"), Break(2, "weight")
    )
    assert "loss_instance is nan in epoch 1, iteration 2, which is not saved" in message
    assert len(record.losses) == STEPS


def test_end_of_an_epoch_is_looked_at_though_nothing_is_saved_there(tmp_path):
    _, record, message = run(
        tiny_config(tmp_path, default_hooks__checkpoint__interval=100), Break(2, "weight")
    )
    assert "iteration 2," in message
    assert len(record.losses) == STEPS


def test_iteration_checkpoint_is_neither_written_nor_its_predecessor_deleted(tmp_path):
    cfg = tiny_config(tmp_path, default_hooks__checkpoint__every_n_iters=2)
    _, _, message = run(cfg, Break(4, "weight"))
    assert "iteration 4," in message
    assert checkpoints(tmp_path) == ["iter_2.pth"]
    assert bool(
        torch.isfinite(
            next(
                iter(torch.load(tmp_path / "iter_2.pth", weights_only=False)["state_dict"].values())
            )
        ).all()
    )


def test_broken_weight_is_not_saved_at_any_other_moment_either(tmp_path):
    class SaveAtOnce(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            runner.model.neck.mlp[-1].weight.data.view(-1)[3] = float("inf")
            runner.save_checkpoint(runner.work_dir, "now.pth", by_epoch=False)

    runner = build_runner(tiny_config(tmp_path))
    runner.register_hook(SaveAtOnce())
    with pytest.raises(
        HCSCError,
        match=(
            r"1 weights became NaN or infinite in epoch 1, which is not saved.*The first is "
            r"neck\."
        ),
    ):
        runner.train()
    assert checkpoints(tmp_path) == []


def scaling(cfg, init_scale):
    cfg.optim_wrapper.type = "LossScalingOnCPU"
    cfg.optim_wrapper.init_scale = init_scale
    return cfg


def test_infinite_gradients_are_the_scaler_s_business(tmp_path):
    runner, record, message = run(
        scaling(tiny_config(tmp_path, train_cfg__max_epochs=1), 1024.0), Break(3, "gradients")
    )
    assert message is None
    assert runner.optim_wrapper.loss_scaler.get_scale() == 512.0
    assert all(bool(torch.isfinite(value).all()) for value in runner.model.state_dict().values())
    assert len(record.losses) == STEPS


def test_loss_that_is_nan_under_loss_scaling_stops_the_run_with_the_scale_of_its_step(tmp_path):
    _, _, message = run(scaling(tiny_config(tmp_path), 1024.0), Break(3, "weight"))
    assert "iteration 3," in message
    assert "loss scale 1024;" in message


def test_scale_that_falls_without_end_stops_the_run_though_the_loss_is_finite(tmp_path):
    _, record, message = run(scaling(tiny_config(tmp_path), 2.0**-12), Break(1, "all gradients"))
    assert message.startswith(
        "gradients are NaN or infinite again and again, though the loss is finite, in epoch 1, "
        "iteration 4,"
    )
    assert "loss scale 3.05176e-05" in message  # 2⁻¹⁵
    assert all(loss == loss for loss in record.losses)
    assert checkpoints(tmp_path) == []


def test_healthy_run_is_left_alone_whatever_the_interval(tmp_path):
    weights = []
    for interval in (1, 1000):
        runner, _, message = run(
            tiny_config(tmp_path / str(interval), default_hooks__non_finite__interval=interval)
        )
        assert message is None
        weights.append(runner.model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_wrong_interval_is_refused():
    with pytest.raises(HCSCError, match="interval=0 of NonFiniteHook must be at least 1"):
        NonFiniteHook(interval=0)
