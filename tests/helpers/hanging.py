"""Runs whose loader worker hangs, in processes of their own."""

import time
from multiprocessing.connection import Connection
from pathlib import Path

from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine import training_features
from hcsc_mm.runtime import train_loop


@TRANSFORMS.register_module()
class Hang(BaseTransform):
    """Sleeps once a worker has loaded so many images."""

    def __init__(self, after: int) -> None:
        self.after, self.loaded = after, 0

    def transform(self, results: dict) -> dict:
        self.loaded += 1
        if self.loaded > self.after:
            time.sleep(600)
        return results


def run_that_hangs(end: Connection, folder: Path, where: str, after: int) -> None:
    """Train with a tenth of the patience, and send what was raised.

    Args:
        end: Takes the error, or None. Anything but the two kinds of an error that may end such a
            run is this process's own traceback.
        folder: For the run.
        where: 'training' or 'extraction'.
        after: Images that a worker loads before it hangs.
    """
    for module in (train_loop, training_features):
        module.WAIT_MINUTES = 0.1
    cfg = tiny_config(
        folder,
        train_dataloader__num_workers=1,
        default_hooks__clustering__warmup_epochs=0,
        default_hooks__clustering__batch_size=32,
    )
    pipelines = {
        "training": cfg.train_dataloader.dataset.pipeline,
        "extraction": cfg.default_hooks.clustering.pipeline,
    }
    pipelines[where].insert(0, dict(type="Hang", after=after))
    error = None
    try:
        train(cfg)
    except (RuntimeError, HCSCError) as raised:
        error = raised
    end.send(error)
