"""A loader worker that hangs is not waited for for ever."""

import time

import pytest
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine import training_features
from hcsc_mm.runtime import train_loop

NAMES = {"training": "training pipeline", "extraction": "clustering pipeline"}


@TRANSFORMS.register_module()
class Hang(BaseTransform):
    """Sleeps once a worker has loaded so many images."""

    def __init__(self, after=20):
        self.after, self.loaded = after, 0

    def transform(self, results):
        self.loaded += 1
        if self.loaded > self.after:
            time.sleep(600)
        return results


def waits(tmp_path, monkeypatch, where, **options):
    """A run whose loader hangs there."""
    for module in (train_loop, training_features):
        monkeypatch.setattr(module, "WAIT_MINUTES", 0.1)
    cfg = tiny_config(
        tmp_path,
        train_dataloader__num_workers=1,
        default_hooks__clustering__warmup_epochs=0,
        default_hooks__clustering__batch_size=32,
    )
    pipeline = (
        cfg.train_dataloader.dataset.pipeline
        if where == "training"
        else cfg.default_hooks.clustering.pipeline
    )
    pipeline.insert(0, dict(type="Hang", **options))
    return cfg


@pytest.mark.parametrize("where", ["training", "extraction"])
def test_worker_that_hangs_ends_the_run(tmp_path, monkeypatch, where):
    with pytest.raises(RuntimeError, match="timed out after 6"):
        train(waits(tmp_path, monkeypatch, where))


@pytest.mark.parametrize("where", ["training", "extraction"])
def test_worker_that_hangs_at_once_ends_the_run_before_the_first_step(tmp_path, monkeypatch, where):
    with pytest.raises(HCSCError, match=f"the {NAMES[where]} .*timed out after 6"):
        train(waits(tmp_path, monkeypatch, where, after=0))
