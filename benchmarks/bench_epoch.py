"""Whole epochs of the quick start's model: what HCSC adds to MoCo v2."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path

from measure import Row, in_turns, slower
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hcsc_mm.runtime.launch import build_runner, load_config

DIGITS = Path(__file__).resolve().parents[1] / "configs" / "hcsc_r18_digits.py"
# The first and the last are not counted: starting up, and a bank that is empty or not needed any
# more.
EPOCHS = {"tiny": 3, "small": 6, "large": 12}


class Stopwatch(Hook):
    """Seconds of every epoch, clustering included; around all other hooks' work at its ends."""

    def __init__(self) -> None:
        self.epochs: list[float] = []

    def before_train(self, runner: Runner) -> None:
        self._start = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        now = time.perf_counter()
        self.epochs.append(now - self._start)
        self._start = now


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """Epochs with a clustering each, by either source of features, against epochs of MoCo v2."""
    epochs = EPOCHS[scale]
    runs = {
        "moco": {"warmup_epochs": epochs},
        "extract": {"warmup_epochs": 0},
        "bank": {"warmup_epochs": 0, "features": "bank"},
    }
    times = in_turns(
        {
            name: lambda options=options: _epoch_seconds(epochs, options)
            for name, options in runs.items()
        },
        repeats,
    )
    return [
        slower(
            "HCSC epoch with the bank, quick-start model : MoCo v2 epoch",
            times["bank"],
            times["moco"],
            1.10,
            "s",
            1.0,
        ),
        slower(
            "HCSC epoch with extraction : the same", times["extract"], times["moco"], 1.35, "s", 1.0
        ),
    ]


def _epoch_seconds(epochs: int, options: dict) -> float:
    """Median of the epochs of one run."""
    with tempfile.TemporaryDirectory() as folder:
        runner, stopwatch = build_runner(_config(folder, epochs, options)), Stopwatch()
        runner.register_hook(stopwatch, priority="LOWEST")
        runner.train()
        _close_log(runner)  # its folder goes
        return statistics.median(stopwatch.epochs[1:-1])


def _close_log(runner: Runner) -> None:
    for handler in list(runner.logger.handlers):
        if isinstance(handler, logging.FileHandler):
            runner.logger.removeHandler(handler)
            handler.close()


def _config(folder: str, epochs: int, options: dict) -> Config:
    config = load_config(str(DIGITS))
    config.train_cfg.max_epochs = epochs
    config.default_hooks.clustering.update(options)
    config.default_hooks.checkpoint.interval = epochs + 1
    config.default_hooks.checkpoint.save_last = False
    config.work_dir, config.launcher, config.log_level = folder, "none", "ERROR"
    config.experiment_name = Path(folder).name  # mmengine's loggers are kept by name
    return config
