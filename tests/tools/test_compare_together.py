"""Two calls of tools/compare.py share a grid, and no cell is run by both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from small_grids import MOCO, write_grid
from tiny import ROOT

FIRST, SECOND = "digits-waits-0", "digits-goes-0"
WAITS = """
import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class Waits(Hook):
    def __init__(self, folder):
        self.folder = Path(folder)

    def before_train(self, runner):
        (self.folder / "at_work").touch()
        until = time.monotonic() + 200
        while not (self.folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.05)
"""


@pytest.fixture
def grid(tmp_path):
    """Its first cell says that it is at work, and waits for a word to go on."""
    (tmp_path / "waits.py").write_text(WAITS)
    own, hook = tmp_path / "own.py", dict(type="mmengine.Waits", folder=str(tmp_path))
    own.write_text(
        f"_base_ = [{MOCO!r}]\n"
        "custom_imports = dict(imports=['hcsc_mm', 'waits'])\n"
        f"default_hooks = dict(waits={hook!r})\n"
    )
    methods = dict(waits=dict(config=str(own)), goes=dict(config=MOCO))
    return write_grid(tmp_path / "grid.py", methods=methods, seeds=(0,))


@pytest.fixture
def call(grid, tmp_path):
    """Start a call in a process of its own; it ends with the test."""
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    processes = []

    def start(*arguments):
        command = [sys.executable, ROOT / "tools/compare.py", grid, "--out", tmp_path / "out"]
        processes.append(
            subprocess.Popen(
                [*map(str, command), *arguments],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield start
    (tmp_path / "go").touch()
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def result(folder, name):
    return json.loads((folder / f"out/{name}.json").read_text())


def test_a_second_call_takes_the_next_cell_and_the_first_leaves_that_alone(call, tmp_path):
    first = call()
    wait_for(tmp_path / "at_work", first)
    second = call()
    error = second.communicate()[1]
    assert second.returncode == 0, error
    said = [line for line in error.splitlines() if line.startswith(("=== ", "    "))]
    assert said[:3] == [
        f"=== cell 1 of 2: {FIRST}",
        "    another process is at work on it, and it is left to that",
        f"=== cell 2 of 2: {SECOND}",
    ]
    assert "Traceback" not in error
    assert not (tmp_path / f"out/{FIRST}.json").exists()
    assert result(tmp_path, SECOND)["scores"]

    (tmp_path / "go").touch()
    out, error = first.communicate()
    assert first.returncode == 0 and "Traceback" not in error, error
    assert "    was finished by another process meanwhile" in error
    assert result(tmp_path, FIRST)["scores"] and "broken" not in result(tmp_path, FIRST)
    assert "not run yet" not in out


def test_a_cell_whose_caller_was_killed_is_still_at_work_and_left_alone(call, tmp_path):
    first = call("--only", FIRST)
    wait_for(tmp_path / "at_work", first)
    first.kill()
    first.wait()
    second = call("--only", FIRST)
    error = second.communicate()[1]
    assert second.returncode == 0 and "another process is at work on it" in error, error

    (tmp_path / "go").touch()
    until = time.monotonic() + 300
    while not (tmp_path / f"out/{FIRST}.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert result(tmp_path, FIRST)["scores"]
