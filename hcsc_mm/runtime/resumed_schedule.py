"""Schedules of learning rates that are brought to where a resumed run stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import (
    ReduceOnPlateauParamScheduler,
    _ParamScheduler,
)
from mmengine.runner import Runner

from ..errors import HCSCError

# Of a schedule's state: where it stands, and what follows from the optimizer or the settings.
PROGRESS = ("last_step", "_global_step", "_last_value", "base_values", "verbose", "anneal_func")


def schedules_of(runner: Runner) -> dict[str, list[_ParamScheduler]]:
    """Those of each optimizer, by its name; '' for the only one."""
    given = runner.param_schedulers or {}
    if not isinstance(runner.optim_wrapper, OptimWrapperDict):
        return {"": list(given)}
    return {name: list(given.get(name, ())) for name in runner.optim_wrapper.keys()}  # noqa: SIM118


def replay_schedules(runner: Runner) -> None:
    """Bring schedules that stand at their beginning to where the run stands, step by step: some
    follow from the value before, and several act upon each other.

    Raises:
        HCSCError: a schedule follows metrics of the past, which nobody has kept.
    """
    everything = [one for each in schedules_of(runner).values() for one in each]
    for one in everything:
        if isinstance(one, ReduceOnPlateauParamScheduler):
            raise HCSCError(
                f"{type(one).__name__} follows the metrics of the run so far, and cannot go on "
                "with other settings than the checkpoint's; give those that it was trained with"
            )
        one.optimizer._global_step = 0  # the steps that it is to follow have been made
    length, epochs = len(runner.train_dataloader), runner.epoch
    rest = runner.iter - epochs * length
    by_epoch = [one for one in everything if one.by_epoch]
    by_iter = [one for one in everything if not one.by_epoch]
    for _ in range(epochs):
        _step(by_iter, length)
        _step(by_epoch, 1)
    _step(by_iter, min(max(rest, 0), length) if epochs else rest)


def drop_what_was_not_saved(param_schedulers: Any) -> None:
    """Take out of a checkpoint's entry what has no plain form, such as a function: the schedule
    itself has made it anew.
    """
    if isinstance(param_schedulers, Mapping):
        param_schedulers = list(param_schedulers.values())
    for state in param_schedulers or ():
        if isinstance(state, Mapping):
            for key in [name for name in PROGRESS if state.get(name, 0) is None]:
                del state[key]
        else:
            drop_what_was_not_saved(state)


def _step(schedules: Sequence[_ParamScheduler], times: int) -> None:
    for _ in range(times):
        for one in schedules:
            one.step()
