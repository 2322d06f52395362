"""A resume under other settings of the optimizer or the schedule than the checkpoint was trained
with: the config's hold from there on, and are named.

mmengine restores both whole, and what the user changed would have no effect: a cosine of 4 epochs,
at its end, would stay at its end for 8 more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from ..errors import HCSCError
from .checkpoint_files import to_plain
from .resumed_schedule import PROGRESS, schedules_of
from .train_loop import counts_iterations

# What tells the families of optimizers apart where a checkpoint does not name its own.
_TELLING = ("momentum", "betas", "alpha", "rho", "lambd")
_SCALER = ("growth_factor", "backoff_factor", "growth_interval")
_MOST_NAMED = 6


@dataclass
class Settings:
    """What a config says of optimizers and schedules, as it is before the first step.

    Attributes:
        optimizers: Class of each optimizer, by its name; '' for the only one.
        groups: Settings of its groups of parameters, with the learning rates that the schedules
            begin with.
        schedules: (class, settings) of its schedules.
        length: 'max_epochs', or 'max_iters' of a run that is measured in them.
    """

    optimizers: dict[str, str]
    groups: dict[str, list[dict[str, Any]]]
    schedules: dict[str, list[tuple[str, dict[str, Any]]]]
    length: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, runner: Runner) -> Settings:
        """Those of a runner whose optimizers and schedules are built and have not moved."""
        wrappers = _by_name(
            runner.optim_wrapper, isinstance(runner.optim_wrapper, OptimWrapperDict)
        )
        return cls(
            {name: type(one.optimizer).__name__ for name, one in wrappers.items()},
            {name: [_settings(g) for g in one.param_groups] for name, one in wrappers.items()},
            {
                name: [(type(one).__name__, _settings(one.state_dict(), PROGRESS)) for one in each]
                for name, each in schedules_of(runner).items()
            },
            _length(runner),
        )

    def entry(self) -> dict[str, Any]:
        """What a checkpoint has to say of them beside mmengine's entries."""
        classes = {name: [kind for kind, _ in each] for name, each in self.schedules.items()}
        return {"optimizers": self.optimizers, "schedules": classes, "length": self.length}


@dataclass
class Changes:
    """Between the checkpoint and the config.

    Attributes:
        named: Each as 'lr 0.03 (was 0.06)'.
        of_schedule: The schedules have to be brought to where the run stands.
        lr_before: Learning rate of the checkpoint's first group of parameters.
    """

    named: list[str] = field(default_factory=list)
    of_schedule: bool = False
    lr_before: float | None = None


def take_from_config(
    runner: Runner, configured: Settings, checkpoint: dict, saved: Mapping[str, Any]
) -> Changes:
    """Put the config's settings into a loaded checkpoint, where they differ from its own.

    The optimizer's state (momenta) stays. Where a schedule differs, its saved state is taken out:
    the schedules then stand at their beginning, and :func:`replay_schedules` is to follow. A
    checkpoint without differences is left as it is.

    Args:
        runner: Before anything of the checkpoint has been put into it.
        configured: What the runner's config says.
        checkpoint: With mmengine's entries 'optimizer' and, perhaps, 'param_schedulers'.
        saved: :meth:`Settings.entry` of the run that wrote it; empty for older ones.

    Raises:
        HCSCError: the optimizer is another, or trains other parameters: its state does not fit.
    """
    several = isinstance(runner.optim_wrapper, OptimWrapperDict)
    states = _by_name(checkpoint["optimizer"], several)
    saved_schedules = _by_name(checkpoint.get("param_schedulers"), several)
    changes = Changes()
    changes.named += _difference_of(saved.get("length", {}), configured.length)
    for name, groups in configured.groups.items():
        wrapper = _by_name(runner.optim_wrapper, several)[name]
        state = states.get(name, {})
        _check_same_optimizer(wrapper, configured.optimizers[name], state, saved, name)
        found = [*state["param_groups"], *_base(state)]
        changes.lr_before = found[0].get("lr") if changes.lr_before is None else changes.lr_before
        scheduled = {one.param_name for one in schedules_of(runner)[name]}
        scheduled |= {"betas"} if "momentum" in scheduled else set()
        named, moved = _take_groups(found, groups, scheduled)
        changes.named += named + _take_scaler(wrapper, state)
        own = configured.schedules[name]
        kinds = saved.get("schedules", {}).get(name)
        named = _difference_of_schedules(own, saved_schedules.get(name), kinds)
        changes.named += named
        if own and (named or moved):
            _begin_anew(found, groups)
            changes.of_schedule = True
    if changes.of_schedule:
        checkpoint.pop("param_schedulers", None)
    changes.named = list(dict.fromkeys(changes.named))
    return changes


def described(changes: Changes, runner: Runner) -> str:
    """One line for the log."""
    named = ", ".join(changes.named[:_MOST_NAMED])
    more = len(changes.named) - _MOST_NAMED
    if more > 0:
        named += f" and {more} more"
    lr = next(iter(runner.optim_wrapper.get_lr().values()))[0]
    text = f"resumes with other settings than the checkpoint's, and the config's hold: {named}"
    if changes.of_schedule and changes.lr_before is not None:
        text += (
            f"; the schedule is refitted and stands at lr {_show(lr)}, where the checkpoint's "
            f"stood at {_show(changes.lr_before)}"
        )
    return text


def seed_without_effect(runner: Runner) -> str | None:
    """One line for the log where the config of a resumed run has another seed than it began with,
    which mmengine keeps; None where there is nothing to say.
    """
    wanted = (runner.cfg.get("randomness") or {}).get("seed")
    if wanted is None or wanted == runner.seed:
        return None
    return (
        f"randomness.seed={wanted} has no effect: the run goes on with the seed that it began "
        f"with, {runner.seed}; start anew for another"
    )


def _check_same_optimizer(
    wrapper: OptimWrapper, kind: str, state: Mapping, saved: Mapping, name: str
) -> None:
    known = saved.get("optimizers", {}).get(name)
    groups, own = state.get("param_groups", []), wrapper.optimizer.param_groups
    other = known is not None and known != kind
    if groups and known is None:
        other = any((key in groups[0]) != (key in own[0]) for key in _TELLING)
    way_out = (
        "give the one that it was trained with, or start from its weights alone, with load_from "
        "and without resume"
    )
    if other:
        raise HCSCError(
            f"the checkpoint's optimizer is {known or 'another one'}, the config's {kind}, which "
            f"its state does not fit; {way_out}"
        )
    sizes, own_sizes = ([len(g["params"]) for g in each] for each in (groups, own))
    if sizes != own_sizes:
        raise HCSCError(
            f"the checkpoint's optimizer has {len(sizes)} groups of {sum(sizes)} parameters, the "
            f"config's {len(own_sizes)} of {sum(own_sizes)}, which its state does not fit; "
            f"{way_out}"
        )


def _take_groups(
    found: Sequence[dict], groups: Sequence[dict], scheduled: set[str]
) -> tuple[list[str], bool]:
    """What differs, and whether a schedule's first value does."""
    named, moved = [], False
    for saved, own in zip(found, groups, strict=False):
        for key, value in own.items():
            if key in scheduled or key not in saved or _same(saved[key], value):
                continue
            named.append(_named(key.removeprefix("initial_"), value, saved[key]))
            moved = moved or key.startswith("initial_")
            saved[key] = value
    return named, moved


def _take_scaler(wrapper: OptimWrapper, state: dict) -> list[str]:
    """The scale itself is where the run stands; how it moves is a setting."""
    saved = state.get("loss_scaler")
    scaler = getattr(wrapper, "loss_scaler", None)
    if not saved or scaler is None:
        return []
    own = scaler.state_dict()
    changed = {key: own[key] for key in _SCALER if key in own and own[key] != saved.get(key)}
    if getattr(wrapper, "_scale_update_param", None) is not None:
        changed |= {"scale": own["scale"]} if own["scale"] != saved.get("scale") else {}
    named = [_named(f"loss_scale.{key}", value, saved.get(key)) for key, value in changed.items()]
    saved.update(changed)
    return named


def _difference_of_schedules(
    own: Sequence[tuple[str, dict]], saved: Sequence[Mapping] | None, kinds: list[str] | None
) -> list[str]:
    if saved is None:
        return ["the schedule (the checkpoint holds none)"] if own else []
    now, before = [kind for kind, _ in own], list(kinds or [])
    if len(own) != len(saved) or (kinds is not None and now != before):
        was = ", ".join(before) or f"{len(saved)} schedules"
        return [f"param_scheduler {', '.join(now) or 'none'} (was {was})"]
    named = []
    for (kind, settings), state in zip(own, saved, strict=True):
        given = _settings(state, PROGRESS)
        if kinds is None and settings.keys() != given.keys():
            named.append(f"param_scheduler {kind} (was another)")
            continue
        named += [f"{kind}.{words}" for words in _difference_of(given, settings)]
    return named


def _difference_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        _named(key, value, before[key])
        for key, value in now.items()
        if key in before and not _same(before[key], value)
    ]


def _begin_anew(found: Sequence[dict], groups: Sequence[dict]) -> None:
    for saved, own in zip(found, groups, strict=False):
        saved.update(own)


def _by_name(value: Any, several: bool) -> dict[str, Any]:
    """Name → part where there are several optimizers, '' → the whole where there is one."""
    return dict((value or {}).items()) if several else {"": value}


def _base(state: Mapping) -> list[dict]:
    """What mmengine schedules beside several groups, for its log."""
    return [state["base_param_settings"]] if state.get("base_param_settings") else []


def _settings(values: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """Plain copies; parameters are none."""
    return {
        key: to_plain(value.clone() if torch.is_tensor(value) else value)
        for key, value in values.items()
        if key != "params" and key not in without
    }


def _same(one: Any, other: Any) -> bool:
    one, other = (to_plain(list(v) if isinstance(v, tuple) else v) for v in (one, other))
    if torch.is_tensor(one) or torch.is_tensor(other):
        return torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    return one == other


def _named(key: str, now: Any, before: Any) -> str:
    return f"{key} {_show(now)} (was {_show(before)})"


def _show(value: Any) -> str:
    if isinstance(value, Mapping):  # milestones, counted
        value = list(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _length(runner: Runner) -> dict[str, int]:
    whole = runner.max_epochs * len(runner.train_dataloader)
    if counts_iterations(runner) or runner.max_iters != whole:
        return {"max_iters": runner.max_iters}
    return {"max_epochs": runner.max_epochs}
