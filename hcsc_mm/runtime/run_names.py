"""The name by which mmengine keeps what belongs to a run, in a process that has several."""

from __future__ import annotations

import time
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import MessageHub

_STEP = 0.05  # seconds between two looks at the clock


def wait_for_a_name(cfg: Config) -> None:
    """Wait, for a second at most, until no earlier run of this process has the name of this one.

    mmengine names a run after its config and the second at which it begins, and keeps its log, its
    message hub and its visualizer under that name for as long as the process lives. A second run
    of the same name would write into the files of the first one and find the values that it left.
    """
    name = cfg.get("experiment_name") or (cfg.filename and Path(cfg.filename).stem)
    while True:
        second = time.strftime("%Y%m%d_%H%M%S")
        if not MessageHub.check_instance_created(f"{name}_{second}" if name else second):
            return
        time.sleep(_STEP)
