"""A loader worker that hangs is not waited for for ever."""

import time

import pytest
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from tiny import tiny_config, train

from hcsc_mm.engine import training_features
from hcsc_mm.runtime import train_loop


@TRANSFORMS.register_module()
class Hang(BaseTransform):
    def transform(self, results):
        time.sleep(600)


@pytest.mark.parametrize("where", ["training", "extraction"])
def test_worker_that_hangs_ends_the_run(tmp_path, monkeypatch, where):
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
    pipeline.insert(0, dict(type="Hang"))
    with pytest.raises(RuntimeError, match="timed out after 6"):
        train(cfg)
