"""A package that is missing or does not fit is one line with the command that mends it."""

import subprocess
import sys

import pytest
from tiny import ROOT

from hcsc_mm import dependencies


@pytest.mark.parametrize("tool", ["train.py", "quick_start.py"])
def test_missing_mmcv_is_one_line_that_names_the_fix(tool):
    hide = (
        "import runpy, sys; sys.modules['mmcv'] = None; "
        f"runpy.run_path({str(ROOT / 'tools' / tool)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "error: not installed: onedl-mmcv; run: pip install onedl-mmcv"


def test_torch_that_is_too_old_is_refused_with_the_fix(monkeypatch):
    monkeypatch.setattr(dependencies, "version", lambda name: "1.13.1+cu117")
    with pytest.raises(
        dependencies.DependencyError,
        match=r"torch 1\.13\.1\+cu117 is too old.*pip install torch==2\.13\.0",
    ):
        dependencies.check_dependencies()


def test_mmcv_that_mmpretrain_refuses_is_one_line(monkeypatch):
    def refuse(name):
        if name == "mmpretrain":
            raise AssertionError("MMCV==9.0.0 is used but incompatible.\nPlease install another.")

    monkeypatch.setattr(dependencies.importlib, "import_module", refuse)
    with pytest.raises(
        dependencies.DependencyError,
        match=r"mmpretrain cannot be imported \(MMCV==9\.0\.0 .*requirements\.txt",
    ) as error:
        dependencies.check_dependencies()
    assert "\n" not in str(error.value)
