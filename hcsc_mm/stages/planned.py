"""A stage ready to run, and the digests by which it is known again."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmengine.config import Config

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
