"""Which stages there are, and which of them are wanted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..errors import HCSCError
from ..installed import config_file

PRETRAIN = "pretrain"


@dataclass(frozen=True)
class Stage:
    """One benchmark of a chain.

    Attributes:
        name: The config file's name without its ending, such as 'linear_in1k'.
        config: Path of the config file.
    """

    name: str
    config: str

    @property
    def kind(self) -> str:
        """The first word of the name, such as 'linear'."""
        return self.name.split("_")[0]


def stages_of(cfg: Config, config: str) -> list[Stage]:
    """The benchmarks that a pre-training config names in its list ``stages``, in order.

    Args:
        cfg: The pre-training config.
        config: Its path; relative paths in the list count from its folder, and
            ``hcsc_mm::benchmarks/NAME`` is a benchmark of this package.

    Raises:
        HCSCError: the list is missing or has two stages of one name, or a file in it does not
            exist.
    """
    paths = cfg.get("stages")
    if not isinstance(paths, (list, tuple)):
        raise HCSCError(
            f"{config} names no stages; add stages = ['benchmarks/knn_in1k.py', ...], a list of "
            "benchmark configs"
        )
    folder = os.path.dirname(config)
    stages = [
        Stage(Path(path).stem, os.path.normpath(os.path.join(folder, config_file(path))))
        for path in paths
    ]
    names = [stage.name for stage in stages]
    for stage in stages:
        if not os.path.isfile(stage.config):
            raise HCSCError(
                f"there is no benchmark config {stage.config}, which {config} names among its "
                "stages"
            )
        if names.count(stage.name) > 1 or stage.name == PRETRAIN:
            raise HCSCError(
                f"two stages of {config} are called {stage.name}; name their files differently"
            )
    return stages


def choose(stages: Sequence[Stage], wanted: Sequence[str] | None) -> tuple[bool, list[Stage]]:
    """Whether to pre-train, and the benchmarks to run, in the config's order.

    Args:
        stages: All benchmarks of the config.
        wanted: Names or kinds of stages, 'pretrain' among them; None: all.

    Raises:
        HCSCError: a name that no stage has; it lists those that there are.
    """
    if wanted is None:
        return True, list(stages)
    known = {PRETRAIN} | {stage.name for stage in stages} | {stage.kind for stage in stages}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        names = ", ".join([PRETRAIN, *(stage.name for stage in stages)])
        kinds = ", ".join(sorted({stage.kind for stage in stages}))
        raise HCSCError(f"there is no stage {unknown[0]!r}; there are {names}, and by kind {kinds}")
    return PRETRAIN in wanted, [
        stage for stage in stages if stage.name in wanted or stage.kind in wanted
    ]
