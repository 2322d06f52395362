"""What came out of stages, on disk and as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..errors import HCSCError
from ..utils.files import write_text
from ..utils.metric_values import Value, short, tables
from ..utils.tables import markdown_table

RESULT_FILE = "result.json"  # in a stage's folder, when it is finished


@dataclass(frozen=True)
class Result:
    """A finished stage.

    Attributes:
        stage: Name of the stage.
        config: Path of its config file.
        inputs: SHA-256 of the config as it was run, and of the weights.
        checkpoint: Path of the weights that were judged.
        checkpoint_sha256: Digest of the checkpoint's content.
        date: When it was finished: year-month-day, hour:minute, UTC.
        metrics: Numbers by name, or lists of a number for each class, or matrices. Accuracies and
            mAP are in per cent, clustering scores from 0 (some from −1) to 1.
        classes: Names of the classes under test, where there are lists that may be of them.
    """

    stage: str
    config: str
    inputs: str
    checkpoint: str
    checkpoint_sha256: str
    date: str
    metrics: dict[str, Value]
    classes: list[str] | None = None

    def save(self, folder: str) -> None:
        write_text(os.path.join(folder, RESULT_FILE), json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, folder: str) -> Result | None:
        """None if the stage is not finished.

        Raises:
            HCSCError: the file is damaged.
        """
        path = os.path.join(folder, RESULT_FILE)
        if not os.path.isfile(path):
            return None
        try:
            with open(path, encoding="utf-8") as file:
                return cls(**json.load(file))
        except (ValueError, TypeError) as error:
            raise HCSCError(
                f"{path} is damaged ({error}); remove it to run the stage again"
            ) from error


def table(results: Sequence[Result]) -> str:
    """A Markdown table; numbers whose names differ only behind the last '/' share a row. Below it,
    of each stage whose metrics say something of each class, another.
    """
    head = ("stage", "what", "values", "config", "checkpoint", "date (UTC)")
    rows = [
        (result.stage, what, values, result.config, result.checkpoint_sha256[:8], result.date)
        for result in results
        for what, values in _grouped(result.metrics).items()
    ]
    below = [(result.stage, tables(result.metrics, result.classes)) for result in results]
    return markdown_table(head, rows) + "".join(
        f"\n{stage}:\n\n{text}" for stage, text in below if text
    )


def _grouped(metrics: dict[str, Value]) -> dict[str, str]:
    """'clustering/81' → 'ami 0.2152, nmi 0.4035, …'."""
    groups: dict[str, list[str]] = {}
    for name, value in metrics.items():
        what, _, score = name.rpartition("/")
        groups.setdefault(what, []).append(f"{score} {short(name, value)}")
    return {what: ", ".join(values) for what, values in groups.items()}


def save_table(results: Sequence[Result], work_dir: str) -> None:
    """``results.md`` and ``results.json`` in the work folder."""
    write_text(os.path.join(work_dir, "results.md"), table(results))
    write_text(
        os.path.join(work_dir, "results.json"),
        json.dumps([asdict(result) for result in results], indent=2),
    )
