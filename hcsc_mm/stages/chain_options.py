"""What the command line says of a whole chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from ..runtime.precision import use_mixed_precision
from .prepare import move_data


@dataclass
class ChainOptions:
    """What the command line may say; the flags of ``tools/run_stages.py``.

    Attributes:
        work_dir: Work folder of the pre-training; a stage has the folder <name>/<digest of its
            inputs> in it.
        stages: Names or kinds; None: all.
        checkpoint: Weights to judge instead of pre-training.
        data_root: The folder of data sets, in the place of data/ in all configs.
        launcher: What started the processes.
        amp: Kind of mixed precision to train with, 'fp16' or 'bf16'; None: float32.
        cfg_options: Key → text or value: what to change in the pre-training config.
        stage_options: '<stage>.<key>' → text or value: what to change in benchmark configs; by a
            stage's name, its kind, or 'all'.
    """

    work_dir: str
    stages: list[str] | None = None
    checkpoint: str | None = None
    data_root: str | None = None
    launcher: str = "none"
    amp: str | None = None
    cfg_options: dict[str, Any] = field(default_factory=dict)
    stage_options: dict[str, Any] = field(default_factory=dict)

    def put_into(self, cfg: Config) -> Config:
        """Put what is said of all configs alike into one of them, in place; returns it."""
        cfg.launcher = self.launcher
        if self.data_root is not None:
            move_data(cfg, self.data_root)
        if self.amp is not None and cfg.get("optim_wrapper") is not None:
            use_mixed_precision(cfg, self.amp)
        return cfg
