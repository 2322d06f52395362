"""Make ``import torchvision`` work beside a torch build that lacks torchvision's compiled
operators.

torchvision's wheel for CUDA cannot load its extension next to a CPU build of torch; its import then
stops at ``operator torchvision::nms does not exist``, because it attaches a "fake" implementation
to a schema that the extension would have declared. Transforms and classification models need
neither of the operators, so declaring their schemas is enough.

``import hcsc_mm`` does so by itself. Run as a script, this file does it for every program of the
environment, where it is needed: ``make install`` calls it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_SYMPTOM = "operator torchvision::nms does not exist"
_MISSING_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# Python executes the lines of such a file that begin with import, whenever it starts.
_START_FILE = "torchvision_beside_cpu_torch.pth"
_START_LINE = (
    "import importlib.util as u; s = u.spec_from_file_location('torchvision_compat', {path!r}); "
    "m = u.module_from_spec(s); s.loader.exec_module(m); m.mend_on_import()\n"
)

# The schemas must outlive the import: torch drops them when the Library object is collected.
_library: Any = None


def ensure_torchvision() -> None:
    """Import torchvision, declaring its missing operator schemas only when the plain import fails
    for want of them.

    Raises:
        RuntimeError: torchvision's import failed for any other reason.
    """
    mend_on_import()
    importlib.import_module("torchvision")


def mend_on_import() -> None:
    """Let the first ``import torchvision`` of this process succeed, whoever makes it."""
    sys.meta_path.insert(0, _Finder())


def mend_environment() -> str | None:
    """Let every program of this Python's environment import torchvision, where it cannot.

    Returns:
        The file that was written for it, and that pip does not know; None: there was no need.

    Raises:
        RuntimeError: torchvision's import fails for another reason.
    """
    plain = subprocess.run(
        [sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False
    )
    if plain.returncode == 0:
        return None
    if _SYMPTOM not in plain.stderr:
        raise RuntimeError(plain.stderr.strip().splitlines()[-1])
    return str(write_start_file(Path(sysconfig.get_path("purelib"))))


def write_start_file(folder: Path) -> Path:
    """Have :func:`mend_on_import` called whenever a Python starts that has ``folder`` among its
    site folders.
    """
    target = folder / _START_FILE
    target.write_text(_START_LINE.format(path=str(Path(__file__).resolve())), encoding="utf-8")
    return target


class _Finder(importlib.abc.MetaPathFinder):
    """Finds torchvision where it lies, and has it loaded with a second try."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads torchvision as its own loader does, and again with the schemas if it lacked them.

    Args:
        own: torchvision's loader.
    """

    def __init__(self, own: importlib.abc.Loader) -> None:
        self.own = own

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self.own
        try:
            self.own.exec_module(module)
        except RuntimeError as error:
            if _SYMPTOM not in str(error):
                raise
            for name in [name for name in sys.modules if name.startswith("torchvision.")]:
                del sys.modules[name]  # half-imported modules would be returned as they are
            _declare_schemas()
            self.own.exec_module(module)


def _declare_schemas() -> None:
    global _library
    import torch

    _library = torch.library.Library("torchvision", "DEF")
    for schema in _MISSING_SCHEMAS:
        _library.define(schema)


if __name__ == "__main__":
    written = mend_environment()
    if written is not None:
        print(
            "torchvision is built for CUDA here, and torch for CPUs: torchvision's own operators "
            f"are missing, and {written} lets it be imported all the same"
        )
