"""One run at a time in a work folder: a process of its own holds it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hcsc_mm import HCSCError
from hcsc_mm.runtime.one_at_a_time import alone_in

HOLDER = """
import sys
from hcsc_mm.runtime.one_at_a_time import alone_in
with alone_in(sys.argv[1]):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_with_the_first_one_s_number(holder, tmp_path):
    with (
        pytest.raises(HCSCError, match=f"process {holder.pid} on .* trains in"),
        alone_in(tmp_path, seconds=0),
    ):
        pass


def test_a_killed_process_holds_nothing(holder, tmp_path):
    holder.kill()
    holder.wait()
    with alone_in(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_process_that_ends_leaves_the_folder_free_and_empty(holder, tmp_path):
    holder.communicate("")
    assert not list(tmp_path.iterdir())
    with alone_in(tmp_path):
        pass


def test_a_holder_on_another_machine_is_waited_for(holder, tmp_path):
    (tmp_path / ".running").write_text("elsewhere 1")
    with pytest.raises(HCSCError, match="process 1 on elsewhere"), alone_in(tmp_path, seconds=0):
        pass


def test_a_process_does_not_wait_for_itself_and_a_folder_without_writing_is_let_be(tmp_path):
    with alone_in(tmp_path), alone_in(tmp_path):
        pass
    with alone_in(tmp_path / "gone"):
        pass
