"""Steps of a build that are done once: a build that was stopped goes on after the last of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .whole_files import write_json


class Steps:
    """What is done in a folder, and from which inputs.

    Each step has a small file that is written when the step is over. A step counts as done while
    its own inputs, and those of the steps before it, are the same.

    Args:
        folder: For these files; it is made when the first step is over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chain = ""

    def run(self, name: str, inputs: Mapping[str, Any], action: Callable[[], None]) -> bool:
        """Do a step, unless it is done; returns whether it was done now.

        Args:
            name: Of the step.
            inputs: All that its result depends on beside the steps before it; plain values.
            action: Does it. Whatever it writes replaces what was there.
        """
        facts = json.loads(json.dumps({**inputs, "before": self._chain}))
        self._chain = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        before = self.inputs_of(name)
        if before == facts:
            return False
        if before is not None:
            changed = [key for key in facts if before.get(key) != facts[key]]
            print_log(f"{name} is done again: {', '.join(changed)} changed", "current")
            self._file(name).unlink()
        action()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file(name), facts)
        return True

    def inputs_of(self, name: str) -> dict[str, Any] | None:
        """What a step was done with; None if it is not done."""
        file = self._file(name)
        return json.loads(file.read_text()) if file.is_file() else None

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
