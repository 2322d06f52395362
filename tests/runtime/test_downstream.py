"""Libraries for other tasks: pre-training does without, and a config that needs one says which
command installs it.
"""

from __future__ import annotations

import importlib.util

import pytest
from command_line import run_here
from transfer_runs import DETECTION, ROOT, SEGMENTATION, config_path

from hcsc_mm import HCSCError
from hcsc_mm.runtime.downstream import LIBRARIES, OPERATORS, check_library
from hcsc_mm.runtime.launch import load_config

needs_absence = pytest.mark.skipif(
    importlib.util.find_spec("mmdet") is not None, reason="mmdetection is installed"
)


@needs_absence
@pytest.mark.parametrize("name", [*DETECTION, *SEGMENTATION])
def test_config_whose_library_is_not_installed_ends_in_one_line_with_the_command(
    name, tmp_path, capfd
):
    arguments = [config_path(name), "--checkpoint", "weights.pth"]
    done = run_here(capfd, "train.py", *arguments, cwd=tmp_path)
    scope = "mmdet" if name in DETECTION else "mmseg"
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1]
        == f"error: {scope} is not installed; run: pip install {LIBRARIES[scope].pip_name}"
    )
    assert "Traceback" not in done.stderr


@needs_absence
def test_config_that_imports_a_library_that_is_not_installed_says_the_command(tmp_path):
    config = tmp_path / "own.py"
    config.write_text('custom_imports = dict(imports=["mmseg.models"])\n')
    with pytest.raises(HCSCError, match="mmseg is not installed; run: pip install onedl-mmseg"):
        load_config(str(config))


@needs_absence
@pytest.mark.skipif(
    importlib.util.find_spec("mmcv._ext") is not None, reason="mmcv has its operators"
)
def test_mmdetection_beside_an_mmcv_without_operators_is_refused_with_the_command(
    tmp_path, monkeypatch
):
    (tmp_path / "mmdet.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HCSCError, match=f"compiled operators.*--no-build-isolation {OPERATORS}"):
        check_library("mmdet")


def test_pre_training_needs_no_library_but_its_own():
    check_library("mmpretrain")
    check_library(None)


def test_versions_in_messages_are_those_of_the_requirements():
    pinned = [
        line
        for name in ("transfer", "base")
        for line in (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    ]
    assert {OPERATORS, *(library.pip_name for library in LIBRARIES.values())} <= set(pinned)
