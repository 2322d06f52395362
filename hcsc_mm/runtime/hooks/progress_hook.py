"""Where a run stands: at once, and then a line a minute."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ..console import duration
from ..train_loop import counts_iterations

# of the message hub: what hooks have found of the model's health, '<name>' → words, and in a word
HEALTH_KEY, VERDICT_KEY = "health", "health_verdict"
# of the message hub: seconds since training began that hooks took aside from the steps, name → s
ASIDE_KEY = "seconds_aside"


def note_seconds(runner: Runner, name: str, seconds: float) -> None:
    """Tell the lines of :class:`ProgressHook` what else a run spends its time on.

    Args:
        runner: In training.
        name: What took the time, in a word, such as 'clustering'; its seconds are added up.
        seconds: Measured, outside of training steps.
    """
    known = dict(runner.message_hub.runtime_info.get(ASIDE_KEY) or {})
    known[name] = known.get(name, 0.0) + seconds
    runner.message_hub.update_info(ASIDE_KEY, known, resumed=False)


@dataclass
class _Times:
    """Seconds since training began, in which the clock of :class:`ProgressHook` counts."""

    began: float = field(default_factory=time.monotonic)
    waiting: float = 0.0  # for images
    steps: float = 0.0  # images and the step itself, without what happens between epochs
    number: int = 0


@HOOKS.register_module()
class ProgressHook(Hook):
    """Say how long a step takes, what the time goes to, and when the run will be over.

    The time since training began is told in shares: waiting for images, steps, what hooks have
    noted with :func:`note_seconds` (clustering), and the rest, such as checkpoints and validation.

    The first step is reported as soon as it is done, then the first ten seconds, then a line every
    ``seconds``, and one at the last step; each epoch's line has what other hooks know of its
    health. With this hook ``tools/train.py`` leaves the environment, the config and the log of
    every few steps to the log file; ``default_hooks.progress=None`` brings them back.

    Args:
        seconds: From one line to the next, at least 1; 60 by default. On a terminal one line that
            renews itself is shown in between.
    """

    priority = "VERY_LOW"  # when the other hooks have done with the step

    def __init__(self, seconds: float = 60.0) -> None:
        if seconds < 1:
            raise HCSCError(f"seconds={seconds} of ProgressHook must be at least 1")
        self.seconds = seconds
        self._times = _Times()
        self._next = 0.0  # when the next line is due

    def before_train(self, runner: Runner) -> None:
        """Say what is going to be done."""
        loader = runner.train_dataloader
        runner.logger.info(
            f"{len(loader.dataset)} images, {len(loader)} steps an epoch of {loader.batch_size} "
            f"images per process; config and full log: {runner.log_dir}"
        )
        self._times, self._next = _Times(), 0.0
        runner.message_hub.update_info(ASIDE_KEY, {}, resumed=False)
        self._step_began = self._images_came = time.monotonic()

    def before_train_epoch(self, runner: Runner) -> None:
        self._step_began = time.monotonic()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        self._images_came = time.monotonic()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        now, times = time.monotonic(), self._times
        times.waiting += self._images_came - self._step_began
        times.steps += now - self._step_began
        times.number += 1
        self._step_began = now
        if not is_main_process():
            return
        elapsed = now - times.began
        if times.number == 1:
            images = self._images_came - times.began
            runner.logger.info(
                f"first step done after {elapsed:.1f} s, {images:.1f} s of it until its images "
                "were there"
            )
            self._next = elapsed + 10
        elif elapsed >= self._next or self.is_last_train_iter(runner):
            runner.logger.info(self._line(runner, batch_idx))
            self._next = elapsed + self.seconds
        elif sys.stderr.isatty():
            print(f"\r\033[K{self._line(runner, batch_idx)}", end="", file=sys.stderr, flush=True)

    def after_train_epoch(self, runner: Runner) -> None:
        self._step_began = time.monotonic()  # clustering and the like are no step

    def _line(self, runner: Runner, batch_idx: int) -> str:
        times, loader = self._times, runner.train_dataloader
        loss = runner.message_hub.get_scalar("train/loss").mean(len(loader))
        done = runner.iter + 1
        elapsed = time.monotonic() - times.began
        remaining = elapsed / times.number * (runner.max_iters - done)
        health = runner.message_hub.runtime_info.get(HEALTH_KEY) or {}
        place = f"epoch {runner.epoch + 1}/{runner.max_epochs}, step {batch_idx + 1}/{len(loader)}"
        if counts_iterations(runner):
            place = f"step {done}/{runner.max_iters}"
        parts = [
            place,
            f"loss {loss:.3f}",
            *(f"{name} {words}" for name, words in health.items()),
            f"{times.steps / times.number:.2g} s a step",
            f"time: {self._shares(runner, elapsed)}",
            f"about {duration(remaining)} to go" if remaining else f"after {duration(elapsed)}",
        ]
        return "; ".join(parts)

    def _shares(self, runner: Runner, elapsed: float) -> str:
        """'9% waiting for images, 72% steps, 15% clustering, 4% other'."""
        times = self._times
        spent = {
            "waiting for images": times.waiting,
            "steps": times.steps - times.waiting,
            **(runner.message_hub.runtime_info.get(ASIDE_KEY) or {}),
        }
        spent["other"] = max(0.0, elapsed - sum(spent.values()))
        return ", ".join(
            f"{seconds / max(elapsed, 1e-9):.0%} {name}" for name, seconds in spent.items()
        )
