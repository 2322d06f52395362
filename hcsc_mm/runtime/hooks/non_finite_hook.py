"""Stop at a loss or a weight that is no number, say where it came from, and save nothing of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner, find_latest_checkpoint
from mmpretrain.structures import DataSample
from torch import Tensor

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.samples import name_sample

_MOST_NAMED = 3
_LOSSES_BEFORE = 3


class _Step(NamedTuple):
    """What a report needs to know of one iteration; the numbers stay on the device until somebody
    looks.
    """

    iteration: int  # from 1, over the whole run
    epoch: int  # from 1
    learning_rates: tuple[float, ...]
    names: tuple[str, ...]  # of the loss terms; the first is their sum
    values: Tensor  # (terms + 1,) float32: the terms, and the loss scale before the step or 1
    samples: Sequence[DataSample]


class _Problem(NamedTuple):
    iteration: int
    report: str  # one line


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Stop the run when a loss term, a weight or a buffer is NaN or infinite.

    Loss terms are kept on the device and looked at every ``interval`` iterations, before every
    checkpoint and at the end of each epoch: no step waits for the device. The report names the
    first broken iteration, its terms, samples, learning rate and loss scale, and the last good
    checkpoint; all ranks stop at the same iteration. Weights and buffers are looked at before every
    checkpoint.

    With mixed precision infinite gradients are no failure: the scaler leaves such a step out and
    lowers its scale. A scale below ``min_loss_scale`` is one, since no step has been taken for
    long.

    Args:
        interval: Iterations from one look at the losses to the next.
        min_loss_scale: 2⁻¹⁴, thirty steps in a row left out from the usual first scale of 2¹⁶ on.
    """

    # before anybody uses or saves what is broken: the clustering, the scheduler, the checkpoint
    priority = "ABOVE_NORMAL"

    def __init__(self, interval: int = 50, min_loss_scale: float = 2.0**-14) -> None:
        if interval < 1:
            raise HCSCError(f"interval={interval} of NonFiniteHook must be at least 1")
        self.interval = interval
        self.min_loss_scale = min_loss_scale
        self._steps: list[_Step] = []  # not looked at yet
        self._losses_before: list[float] = []
        self._loss_scale: Tensor | None = None

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        if scaler is not None:  # get_scale() would wait for the device
            self._loss_scale = scaler.scale(
                torch.ones((), device=next(runner.model.parameters()).device)
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        losses = {
            name: value.detach().float()
            for name, value in (outputs or {}).items()
            if "loss" in name and torch.is_tensor(value)
        }
        if losses:
            any_loss = next(iter(losses.values()))
            scale = (
                torch.ones_like(any_loss) if self._loss_scale is None else self._loss_scale.float()
            )
            learning_rates = tuple(
                dict.fromkeys(
                    lr for group in runner.optim_wrapper.get_lr().values() for lr in group
                )
            )
            values = torch.stack([*losses.values(), scale])
            samples = data_batch.get("data_samples") or ()
            self._steps.append(
                _Step(
                    runner.iter + 1,
                    runner.epoch + 1,
                    learning_rates,
                    tuple(losses),
                    values,
                    samples,
                )
            )
        checkpoint_follows = _checkpoint_follows(runner)
        if checkpoint_follows or self.every_n_train_iters(runner, self.interval):
            self.check(runner, weights=checkpoint_follows)

    def after_train_epoch(self, runner: Runner) -> None:
        self.check(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """The last guard, for checkpoints at other moments. mmengine calls it on one rank alone."""
        problem = self._broken_step(runner) or _broken_weight(
            runner, checkpoint.get("state_dict", {})
        )
        if problem is not None:
            raise HCSCError(problem.report)

    def check(self, runner: Runner, weights: bool = True) -> None:
        """Look at the losses so far, and at the weights; for all ranks at the same iteration, also
        before a save at another moment.

        Raises:
            HCSCError: on all ranks, with the earliest problem of any: one that raised alone would
                leave the others waiting.
        """
        problems = all_gather_object(
            self._broken_step(runner)
            or _broken_weight(runner, runner.model.state_dict() if weights else {})
        )
        broken = [
            (problem.iteration, rank)
            for rank, problem in enumerate(problems)
            if problem is not None
        ]
        if broken:
            _, rank = min(broken)  # what one rank breaks spreads to all with the gradients
            raise HCSCError(
                ("" if get_world_size() == 1 else f"on rank {rank}, ") + problems[rank].report
            )

    def _broken_step(self, runner: Runner) -> _Problem | None:
        """Look at the steps since the last look; a report on the first broken one."""
        if not self._steps:
            return None
        steps, self._steps = self._steps, []
        on_host = (
            torch.cat([step.values for step in steps])
            .cpu()
            .split([len(step.values) for step in steps])
        )
        for step, values in zip(steps, on_host, strict=True):
            *losses, scale = values.tolist()
            broken = {
                name: loss
                for name, loss in zip(step.names, losses, strict=True)
                if not math.isfinite(loss)
            }
            if broken:
                terms = [name for name in broken if name != "loss"] or ["loss"]
                return self._report(
                    runner, step, " and ".join(f"{name} is {broken[name]}" for name in terms), scale
                )
            if self._loss_scale is not None and scale < self.min_loss_scale:
                return self._report(
                    runner,
                    step,
                    "gradients are NaN or infinite again and again, though the loss is finite,",
                    scale,
                )
            self._losses_before = [*self._losses_before, losses[0]][-_LOSSES_BEFORE:]
        return None

    def _report(self, runner: Runner, step: _Step, what: str, scale: float) -> _Problem:
        """One line; the log gets the whole batch."""
        dataset = runner.train_dataloader.dataset
        names = [
            name_sample(dataset, sample.sample_idx) if "sample_idx" in sample else "unknown"
            for sample in step.samples
        ]
        where = f"epoch {step.epoch}, iteration {step.iteration}"
        runner.logger.error(f"{what} in {where}; its samples: {', '.join(names)}")
        before = ", ".join(f"{loss:.4g}" for loss in self._losses_before) or "none"
        rates = ", ".join(f"{lr:.4g}" for lr in step.learning_rates)
        scaling = "no loss scaling" if self._loss_scale is None else f"loss scale {scale:g}"
        rest = (
            f" and {len(names) - _MOST_NAMED} more in the log" if len(names) > _MOST_NAMED else ""
        )
        report = (
            f"{what} in {where}, which is not saved; losses before: {before}; learning rate "
            f"{rates}; {scaling}; samples {', '.join(names[:_MOST_NAMED])}{rest}; "
            f"{_last_good(runner)}. {_remedy(runner)}"
        )
        return _Problem(step.iteration, report)


def _broken_weight(runner: Runner, weights: Mapping[str, Tensor]) -> _Problem | None:
    """A report on the first weight or buffer that is not finite; one wait for the device for all of
    them.
    """
    floating = {
        name: value.detach()
        for name, value in weights.items()
        if value.is_floating_point() and value.numel() > 0
    }
    if not floating:
        return None
    norms = torch.stack(
        [norm.float() for norm in torch._foreach_norm(list(floating.values()), float("inf"))]
    ).cpu()
    broken = [
        name
        for name, finite in zip(floating, torch.isfinite(norms).tolist(), strict=True)
        if not finite
    ]
    if not broken:
        return None
    report = (
        f"{len(broken)} weights became NaN or infinite in epoch {runner.epoch + 1}, which is not "
        f"saved; {_last_good(runner)}. The first is {broken[0]}. {_remedy(runner)}"
    )
    return _Problem(runner.iter + 1, report)


def _checkpoint_follows(runner: Runner) -> bool:
    """Whether mmengine's hook saves after this very iteration.

    It deletes the oldest checkpoint before it writes the new one.
    """
    return any(
        isinstance(hook, CheckpointHook)
        and not hook.by_epoch
        and (
            hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
            or (hook.save_last and hook.is_last_train_iter(runner))
        )
        for hook in runner.hooks
    )


def _last_good(runner: Runner) -> str:
    last = find_latest_checkpoint(runner.work_dir)
    return f"the last good checkpoint is {last}" if last else "no epoch was saved before"


def _remedy(runner: Runner) -> str:
    return "Lower the learning rate" + (
        ", or train without --amp" if hasattr(runner.optim_wrapper, "loss_scaler") else ""
    )
