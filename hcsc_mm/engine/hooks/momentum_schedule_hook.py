"""A key encoder that follows more slowly as the run goes on."""

from __future__ import annotations

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ...structures import ContrastsKeys
from ...utils.models import first_of


@HOOKS.register_module()
class MomentumScheduleHook(Hook):
    """Move the key encoder's momentum along a cosine, from ``start`` at the first step to ``end``.

    As BYOL does (Grill et al., NeurIPS 2020, Section 3.3), and MoCo v2+ of solo-learn: a short run
    wants a key encoder that follows quickly at first. The value depends on the step and the run's
    length alone, so that a resumed run goes on with the same numbers.

    Args:
        start: Share of the query encoder in the first update, in (0, 1], as ``momentum`` of
            :class:`MomentumContrast`; 0.01 is the papers' m = 0.99.
        end: Share in the last one, in (0, 1].
    """

    priority = "HIGH"

    def __init__(self, start: float, end: float) -> None:
        if not (0 < start <= 1 and 0 < end <= 1):
            raise HCSCError(
                f"start={start} and end={end} of MomentumScheduleHook must lie in (0, 1]; the "
                "papers' m = 0.99 is 0.01 here"
            )
        self.start, self.end = start, end

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        model = first_of(runner.model, ContrastsKeys)
        if model is None:
            raise HCSCError(
                "MomentumScheduleHook needs a model with a key encoder, such as "
                "hcsc_mm.MomentumContrast; leave it out for others"
            )
        done = runner.iter / max(1, runner.max_iters - 1)
        model.set_momentum(self.value(done))

    def value(self, done: float) -> float:
        """The momentum when a share of the run, from 0 to 1, is done."""
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
