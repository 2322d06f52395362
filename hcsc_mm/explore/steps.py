"""Steps of a build that are done once: a build that was stopped goes on after the last of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .whole_files import write_json

Facts = Mapping[str, Any]


class Steps:
    """What is done in a folder, and from which inputs.

    Each step has a small file that is written when the step is over. A step counts as done while
    its own inputs, and those of the steps before it, are the same.

    Args:
        folder: For these files.
        steps: Name of each step, in order, and all that its result depends on beside the steps
            before it, in plain values.
    """

    def __init__(self, folder: Path, steps: Sequence[tuple[str, Facts]]) -> None:
        self.folder = folder
        self._facts: dict[str, dict[str, Any]] = {}
        before = ""
        for name, facts in steps:
            own = json.loads(json.dumps({**facts, "what came before": before}))
            before = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
            self._facts[name] = own

    def to_do(self) -> list[str]:
        """The first step that is not done, and all after it. One that is done again says what has
        changed.
        """
        names = list(self._facts)
        for place, name in enumerate(names):
            changed = self.changed(name)
            if changed:
                print_log(f"{name} again: {', '.join(changed)} changed", "current")
            if changed != []:
                return names[place:]
        return []

    def changed(self, name: str) -> list[str] | None:
        """The inputs that a step was done with other ones of; None if it was not done."""
        file = self._file(name)
        if not file.is_file():
            return None
        before = json.loads(file.read_text())
        return [key for key, value in self._facts[name].items() if before.get(key) != value]

    def mark(self, name: str) -> None:
        """A step is over."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file(name), self._facts[name])

    def unmark(self, name: str) -> None:
        """A step begins."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
