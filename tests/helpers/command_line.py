"""A tool's command line without a process of its own, which takes five seconds to import."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny import ROOT


class Done(NamedTuple):
    """How a command ended and what it said, by the names of ``subprocess``.

    Attributes:
        returncode: Exit code.
        stdout: What it wrote there.
        stderr: What it wrote there; behind it what it exited with, if those were words.
        error: These words alone.
    """

    returncode: int
    stdout: str
    stderr: str
    error: str


def run_here(capfd: pytest.CaptureFixture, name: str, *arguments, cwd: Path) -> Done:
    """Call ``tools/<name>`` as its command line does, in this process.

    What it raises is what Python would print as a traceback, and fails the test; what it exits with
    is its exit code, or its last line on standard error and code 1, as Python has it.
    """
    code, words = 0, ""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
        except SystemExit as end:
            code, words = (1, end.code) if isinstance(end.code, str) else (end.code or 0, "")
    out, errors = capfd.readouterr()
    return Done(code, out, errors + (words and f"{words}\n"), words)
