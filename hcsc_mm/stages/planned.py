"""A stage ready to run, and the digests by which it is known again."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmengine.config import Config

from ..utils.agreement import on_main_process
from ..utils.files import write_text
from .data import DataSets
from .prepare import digest
from .processes import headline
from .results import Result

# Digests beside what came of them.
PRETRAIN_NOTE, PRETRAIN_DATA_NOTE, DATA_NOTE = (
    "pretrain.sha256",
    "pretrain_data.sha256",
    "data.sha256",
)


@dataclass(frozen=True)
class JudgedWeights:
    """What is judged: a checkpoint, and the SHA-256 of its content."""

    path: str
    sha256: str


@dataclass(frozen=True)
class PlannedStage:
    """A stage ready to run: its config, with the weights and a folder of its own, and the digest
    of both.
    """

    cfg: Config
    inputs: str

    def finished(self) -> Result | None:
        """What it came to, if it has been run."""
        result = Result.load(self.cfg.work_dir)
        return result if result is not None and result.inputs == self.inputs else None


def read_note(folder: str, name: str) -> str | None:
    """A digest that was left there; None if there is none."""
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def plan_stage(
    name: str, cfg: Config, weights: JudgedWeights, work_dir: str, data: DataSets
) -> PlannedStage:
    """A folder of its own for a stage, named after its inputs; a line where its images or labels
    have changed since it was last run.

    Args:
        name: Of the stage.
        cfg: Its config, with the pre-training's backbone and weights; gets folder and name.
        weights: What is judged.
        work_dir: The pre-training's folder, in which those of the stages are.
        data: Digests of data sets.
    """
    inputs = digest(cfg, weights.sha256)
    folder = os.path.join(work_dir, name, inputs[:8])
    others = on_main_process(lambda: _other_data(cfg, folder, data))
    if others is not None:
        headline(
            f"{name}: images or labels are others than for {folder}, which stays; it is run anew"
        )
        inputs = digest(cfg, f"{weights.sha256} {others}")
    cfg.work_dir = os.path.join(work_dir, name, inputs[:8])
    cfg.experiment_name = f"{name}_{inputs[:8]}"
    return PlannedStage(cfg, inputs)


def _other_data(cfg: Config, folder: str, data: DataSets) -> str | None:
    """The digest of a stage's images and labels, if they are not those that its folder is of; the
    first rank's.
    """
    known = read_note(folder, DATA_NOTE)
    found = None if known is None else data.digest(cfg)
    return None if found == known else found


def note_data(cfg: Config, data: DataSets) -> None:
    """Leave the digest of a stage's images and labels in its folder, for the first rank."""
    found = data.digest(cfg)
    if found is not None:
        write_text(os.path.join(cfg.work_dir, DATA_NOTE), found)
    data.forget()  # a million names are not kept through a training
