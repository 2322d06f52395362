"""The key encoder's momentum over a run."""

import pytest
from mmengine.hooks import Hook
from tiny import tiny_config

from hcsc_mm import HCSCError
from hcsc_mm.engine import MomentumScheduleHook
from hcsc_mm.runtime.launch import build_runner

SCHEDULE = dict(type="hcsc_mm.MomentumScheduleHook", start=0.02, end=0.002)


class Seen(Hook):
    priority = "LOWEST"

    def __init__(self):
        self.momenta = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.momenta.append(runner.model.momentum_encoder.momentum)


def momenta(cfg):
    runner, seen = build_runner(cfg), Seen()
    runner.register_hook(seen)
    runner.train()
    return seen.momenta


def test_it_goes_from_start_to_end_along_a_cosine():
    hook = MomentumScheduleHook(0.02, 0.002)
    assert hook.value(0.0) == pytest.approx(0.02)
    assert hook.value(0.5) == pytest.approx(0.011)
    assert hook.value(1.0) == pytest.approx(0.002)


def test_every_step_of_a_run_has_its_own_and_a_resumed_one_the_same(tmp_path):
    whole = momenta(tiny_config(tmp_path / "whole", default_hooks__momentum=SCHEDULE))
    assert whole[0] == pytest.approx(0.02)
    assert whole[-1] == pytest.approx(0.002)
    assert sorted(whole, reverse=True) == whole
    (tmp_path / "whole" / "epoch_3.pth").unlink()
    cfg = tiny_config(tmp_path / "whole", default_hooks__momentum=SCHEDULE)
    cfg.resume = True
    rest = momenta(cfg)
    assert rest == whole[-len(rest) :]


@pytest.mark.parametrize(("start", "end"), [(0, 0.1), (0.1, 0), (1.1, 0.1), (0.1, -1)])
def test_momenta_outside_of_their_range_are_refused(start, end):
    with pytest.raises(HCSCError, match="must lie in"):
        MomentumScheduleHook(start, end)
