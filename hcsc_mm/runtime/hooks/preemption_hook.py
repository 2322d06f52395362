"""Stop when asked to, without losing a step."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.ranks import wait_for_ranks
from ..preemption import EXIT_CODE, PreemptedError, received, training_begins
from ..train_loop import ResumableTrainLoop, counts_iterations, gradients_are_used_up
from .checkpoint_hook import checkpoint_hook


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Save a checkpoint at the next step after SIGTERM or SIGUSR1, and end with exit code 75.

    The signals are noted by ``tools/train.py``; a run that is started otherwise dies of them as
    before. It is enough that one rank gets the signal. Needs :class:`ResumableCheckpointHook` and
    :class:`ResumableTrainLoop`.
    """

    priority = "LOWEST"  # when all other hooks have done with the step

    def __init__(self) -> None:
        self._asked: Tensor | None = None

    def before_train(self, runner: Runner) -> None:
        """From here on a signal waits for the next step.

        Raises:
            HCSCError: the checkpoint hook or the loop cannot save and resume within an epoch.
        """
        if checkpoint_hook(runner) is None:
            raise HCSCError(
                "PreemptionHook needs "
                "default_hooks.checkpoint=dict(type='hcsc_mm.ResumableCheckpointHook'); use that, "
                "or leave the hook out with default_hooks.preemption=None"
            )
        if not (isinstance(runner.train_loop, ResumableTrainLoop) or counts_iterations(runner)):
            raise HCSCError(
                "PreemptionHook needs train_cfg=dict(type='hcsc_mm.ResumableTrainLoop'); "
                "use that, or leave the hook out with default_hooks.preemption=None"
            )
        training_begins()
        self._device = next(runner.model.parameters()).device
        self._asked = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if self._anyone_was_asked() and gradients_are_used_up(runner):
            self._stop(runner, batch_idx + 1)

    def _anyone_was_asked(self) -> bool:
        """Whether a rank had got a signal by the end of the step before; all ranks get the same
        answer.

        What is read now was sent a step ago, so that nobody waits for it.
        """
        if get_world_size() == 1:
            return received() is not None
        earlier = self._asked
        self._asked = torch.tensor(float(received() is not None), device=self._device)
        all_reduce(self._asked, op="max")
        return earlier is not None and bool(earlier)

    def _stop(self, runner: Runner, batches_done: int) -> None:
        path = checkpoint_hook(runner).save_within_epoch(runner, batches_done)
        wait_for_ranks("stopping")  # the first to go would have the others killed
        name = received().name if received() is not None else "a signal to another rank"
        raise PreemptedError(
            f"stopped by {name} after step {runner.iter + 1}; saved {path}; exit code {EXIT_CODE}; "
            "go on with --resume"
        )
