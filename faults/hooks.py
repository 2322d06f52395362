"""Hooks that a run under test carries: where it is, and what goes wrong in it."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from hcsc_mm.engine.clustering_model import find_model
from hcsc_mm.models import HCSC

# Where a run hangs that does not end: Job.wait asks every process for its stacks.
faulthandler.register(signal.SIGUSR2, all_threads=True)


@HOOKS.register_module()
class ReportStage(Hook):
    """Write to a file what the run is doing, for those who want to disturb it there."""

    priority = "VERY_HIGH"

    def _report(self, runner: Runner, stage: str) -> None:
        if is_main_process():
            (Path(runner.work_dir) / "stage").write_text(stage)

    def before_train_epoch(self, runner: Runner) -> None:
        self._report(runner, "clustering")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._report(runner, "training")

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._report(runner, "writing a checkpoint")


@HOOKS.register_module()
class Disturb(Hook):
    """Something goes wrong on one rank at the start of an epoch.

    Args:
        what: 'slow': it is late with its features; 'error', 'die'; or 'disk': no file may grow from
            then on.
        rank: Where.
        epoch: When, counted from 0.
        seconds: How long 'slow' lasts.
    """

    priority = "HIGH"

    def __init__(self, what: str, rank: int = 1, epoch: int = 1, seconds: float = 60) -> None:
        self.what, self.rank, self.epoch, self.seconds = what, rank, epoch, seconds

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch != self.epoch or get_rank() != self.rank:
            return
        if self.what == "slow":
            self._be_late(find_model(runner))
        elif self.what == "error":
            raise RuntimeError("this rank has a fault")
        elif self.what == "die":
            os.kill(os.getpid(), 9)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    def _be_late(self, model: HCSC) -> None:
        """Sleep before the next batch of keys, which is the first of the clustering."""
        encode_key = model.encode_key

        def encode_late(images: Tensor) -> Tensor:
            time.sleep(self.seconds)
            del model.encode_key
            return encode_key(images)

        model.encode_key = encode_late


@HOOKS.register_module()
class Meter(Hook):
    """Memory, file handles and threads of this process after each epoch, as lines of JSON."""

    priority = "LOWEST"

    def after_train_epoch(self, runner: Runner) -> None:
        status = dict(
            line.split(":", maxsplit=1)
            for line in Path("/proc/self/status").read_text().splitlines()
        )
        line = {
            "epoch": runner.epoch + 1,
            "time": time.time(),
            "memory_kB": int(status["VmRSS"].split()[0]),
            "files": len(os.listdir("/proc/self/fd")),
            "threads": int(status["Threads"]),
        }
        with open(Path(runner.work_dir) / f"meter{get_rank()}.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")


@HOOKS.register_module()
class StopAfter(Hook):
    """End the run after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def after_train_epoch(self, runner: Runner) -> None:
        if time.monotonic() > self.end:
            runner.train_loop.stop_training = True
