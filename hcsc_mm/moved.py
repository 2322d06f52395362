"""Old import paths go on working: modules that moved since 0.1.0, under their old names.

``import hcsc_mm.engine.launch`` gives what is in ``hcsc_mm.runtime.launch`` now, with a warning.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

MOVED = {
    "engine.checkpoint": "runtime.pretrained",
    "engine.checkpoint_files": "runtime.checkpoint_files",
    "engine.command_line": "runtime.command_line",
    "engine.hooks.checkpoint_hook": "runtime.hooks.checkpoint_hook",
    "engine.hooks.epoch_seed_hook": "runtime.hooks.epoch_seed_hook",
    "engine.hooks.non_finite_hook": "runtime.hooks.non_finite_hook",
    "engine.hooks.preemption_hook": "runtime.hooks.preemption_hook",
    "engine.hooks.unreadable_images_hook": "runtime.hooks.unreadable_images_hook",
    "engine.launch": "runtime.launch",
    "engine.pretrained": "runtime.pretrained",
    "engine.resume_state": "runtime.resume_state",
    "engine.train_loop": "runtime.train_loop",
    "datasets.seeded_pipeline": "runtime.seeded_pipeline",
    "datasets.worker_seed": "runtime.worker_seed",
    "models.utils.negative_selection": "models.selection",
    "utils.libraries": "runtime.downstream",
    "utils.preemption": "runtime.preemption",
    "utils.rendezvous": "utils.ranks",
    "utils.wrappers": "utils.models",
}
_PACKAGE = __name__.rpartition(".")[0]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an old name, and loads the module of the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.removeprefix(f"{_PACKAGE}.") not in MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Python makes an empty module; :meth:`exec_module` puts the new one in its place."""

    def exec_module(self, module: ModuleType) -> None:
        new = f"{_PACKAGE}.{MOVED[module.__name__.removeprefix(f'{_PACKAGE}.')]}"
        warnings.warn(f"{module.__name__} is {new} now", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


def install() -> None:
    """Let Python's imports find the old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
