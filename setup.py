"""What pyproject.toml cannot say: an installation carries configs, tools and the model index.

They lie under ``hcsc_mm/.mim`` there, as in OpenMMLab's libraries. An editable installation has
them where they are, beside the package.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CARRIED = ("configs", "tools", "model-index.yml")


class BuildWithConfigs(build_py):
    """Copies what is carried along into the package that is built."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        shutil.rmtree(self._folder, ignore_errors=True)  # what an earlier build left may be gone
        for path in carried():
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All files of the built package; setuptools asks for them."""
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(self._folder / path) for path in carried()]

    @property
    def _folder(self) -> Path:
        return Path(self.build_lib, "hcsc_mm", ".mim")


def carried() -> Iterator[Path]:
    """The files to carry along, relative to the repository."""
    for name in CARRIED:
        source = ROOT / name
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT)


setup(cmdclass={"build_py": BuildWithConfigs})
