"""A run that is told to stop saves its state first."""

import os
import signal

import pytest
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.runtime.preemption import EXIT_CODE, PreemptedError, signals_noted

STEPS = 100 // 16  # of an epoch


class Signal(Hook):
    """Sends a signal to its own process before an iteration or an epoch's clustering."""

    priority = "VERY_HIGH"

    def __init__(self, number, iteration=None, epoch=None):
        self.number, self.iteration, self.epoch = number, iteration, epoch

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), self.number)

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            os.kill(os.getpid(), self.number)


def stopped(cfg, hook):
    runner = build_runner(cfg)
    runner.register_hook(hook)
    with pytest.raises(PreemptedError) as stop, signals_noted():
        runner.train()
    for number in (signal.SIGTERM, signal.SIGUSR1):  # what came late was ignored; now as before
        signal.signal(number, signal.SIG_DFL)
    return stop.value


@pytest.mark.parametrize(
    ("number", "when", "step"),
    [
        (signal.SIGTERM, {"iteration": 2}, 3),
        (signal.SIGUSR1, {"iteration": STEPS + 3}, STEPS + 4),
        (signal.SIGTERM, {"iteration": STEPS - 1}, STEPS),  # the last step of an epoch
        (signal.SIGTERM, {"epoch": 1}, STEPS + 1),  # during clustering: what it cost is not lost
    ],
    ids=["SIGTERM", "SIGUSR1", "last step", "clustering"],
)
def test_signal_saves_at_the_next_step_and_the_run_goes_on_from_there(tmp_path, number, when, step):
    whole, record = train(tiny_config(tmp_path / "whole"))
    stop = stopped(
        tiny_config(tmp_path / "stopped", train_dataloader__num_workers=1), Signal(number, **when)
    )
    assert stop.code == EXIT_CODE == 75
    assert (
        f"stopped by {number.name} after step {step}" in stop.message
        and f"iter_{step}.pth" in stop.message
    )
    cfg = tiny_config(tmp_path / "stopped", resume=True)
    cfg.experiment_name += "_again"
    rest, rest_record = train(cfg)
    assert rest_record.losses == record.losses[step:]
    assert largest_difference(rest.model.state_dict(), whole.model.state_dict()) <= 1e-6


def test_handlers_are_as_before_when_a_run_has_ended():
    before = signal.getsignal(signal.SIGTERM)
    with signals_noted():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


class Dropping:
    """Gets a signal where Python drops what its handler raises."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_signal_whose_exception_was_dropped_ends_the_run_before_its_first_step(tmp_path):
    runner = build_runner(tiny_config(tmp_path))
    with pytest.raises(PreemptedError) as stop, signals_noted():
        Dropping()
        runner.train()
    assert "start again with --resume auto" in stop.value.message
    assert runner.iter == 0
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


def test_hook_asks_for_the_checkpoints_that_it_needs(tmp_path):
    with pytest.raises(HCSCError, match="ResumableCheckpointHook"):
        train(
            tiny_config(
                tmp_path,
                default_hooks__checkpoint=dict(_delete_=True, type="CheckpointHook", interval=1),
            )
        )
