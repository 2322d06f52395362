"""What a test writes to a file: metrics, or predictions, as mmpretrain's tools/test.py does."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import mmengine
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults, Evaluator
from mmengine.runner import Runner

from ..errors import HCSCError
from ..utils.files import why_not_writable, write_text, written_whole

Item = Literal["metrics", "pred"]
_TEXT = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_PICKLE = {".pkl": "pkl", ".pickle": "pkl"}


@dataclass(frozen=True)
class TestOutput:
    """Where results go.

    Attributes:
        path: Path of the file.
        item: 'metrics', or 'pred': a list with what the model said of each image, as
            mmengine's ``DumpResults`` writes it.
    """

    __test__ = False  # for pytest, which goes by names

    path: str
    item: Item

    @classmethod
    def of_flags(cls, out: str | None, item: Item | None) -> TestOutput | None:
        """What --out and --out-item say; None: nothing is to be written.

        mmpretrain writes predictions unless told otherwise, and only into pickles. So without
        --out-item text files are for metrics, and pickles for predictions.

        Raises:
            HCSCError: they contradict each other, or the file cannot be written; asked before the
                test.
        """
        if out is None:
            if item is not None:
                raise HCSCError("--out-item says what to write; add --out FILE, which says where")
            return None
        ending = os.path.splitext(out)[1].lower()
        item = item or ("metrics" if ending in _TEXT else "pred")
        allowed = [*_TEXT, *_PICKLE] if item == "metrics" else [*_PICKLE]
        if ending not in allowed:
            other = "" if item == "metrics" else "; --out-item metrics may go into .json, too"
            raise HCSCError(f"--out {out}: {item} need a file in {', '.join(allowed)}{other}")
        _check_writable(out)
        return cls(out, item)

    def collect(self, runner: Runner) -> None:
        """Have predictions noted, if they are wanted.

        Raises:
            HCSCError: the test makes none.
        """
        if self.item != "pred":
            return
        evaluator = getattr(runner.test_loop, "evaluator", None)
        if not isinstance(evaluator, Evaluator):
            raise HCSCError(
                f"--out {self.path}: the test measures features and predicts nothing; add "
                "--out-item metrics"
            )
        evaluator.metrics.append(DumpResults(out_file_path=self.path))

    def write(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics, if they are wanted; once for all processes."""
        if self.item != "metrics" or not is_main_process():
            return
        ending = os.path.splitext(self.path)[1].lower()
        if ending == ".json":
            write_text(self.path, json.dumps(metrics, indent=2))
            return
        with written_whole(self.path) as aside:
            mmengine.dump(dict(metrics), aside, file_format={**_TEXT, **_PICKLE}[ending])


def _check_writable(path: str) -> None:
    if os.path.isdir(path):
        raise HCSCError(f"--out {path} is a folder; name a file")
    why = why_not_writable(os.path.dirname(os.path.abspath(path)))
    if why is not None:
        raise HCSCError(f"--out {path} cannot be written: {why}")
