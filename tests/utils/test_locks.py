"""One process at a time holds a file."""

import os
import subprocess
import sys

import pytest
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.utils.locks import held

HOLDS = """
import sys
from hcsc_mm.utils.locks import held
with held(sys.argv[1]) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_another_processes_until_that_is_killed(tmp_path):
    path = tmp_path / "made/cell.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as other:
        assert other.stdout.readline() == "True\n"
        with held(path) as ours:
            assert not ours
        other.kill()
        other.wait()
    with held(path) as ours:
        assert ours
    with held(path) as ours:  # nor does a file that stays keep anybody out
        assert ours


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(HCSCError, match=r"file/cell\.lock cannot be locked .*choose a folder"),
        held(tmp_path / "file/cell.lock"),
    ):
        pass
