"""What a forked loader worker must not inherit: another thread's unfinished business."""

from __future__ import annotations

import os
import subprocess
import sys

# The exit code of the fork's child says whether a thread that wanted the interpreter has had it.
# A switch interval of a minute: nobody takes it from the main thread, which must give it up.
_FORK = """
import os, sys, threading
from hcsc_mm.runtime import forks

forks.PAUSE_SECONDS = 2
if sys.argv[1] == "with":
    forks.let_threads_finish_before_forks()
    forks.let_threads_finish_before_forks()
wanted, finished = threading.Event(), []
threading.Thread(target=lambda: (wanted.wait(), finished.append(1)), daemon=True).start()
sys.setswitchinterval(60)
wanted.set()
child = os.fork()
if child == 0:
    os._exit(len(finished))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def _finished_before_the_fork(how: str) -> str:
    command = [sys.executable, "-c", _FORK, how]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_fork_lets_a_thread_that_waits_for_the_interpreter_finish_first():
    assert _finished_before_the_fork("with") == "1"


def test_without_it_a_fork_comes_in_the_middle_of_that_thread():
    assert _finished_before_the_fork("without") == "0"


def test_processes_that_meet_are_forked_with_a_pause():
    program = """
import hcsc_mm.runtime.forks as forks
from mmengine.config import Config
from hcsc_mm.runtime.processes import prepare_for_gloo

prepare_for_gloo(Config(dict(launcher="none", env_cfg={})))
print(forks._is_registered)
prepare_for_gloo(Config(dict(launcher="pytorch", env_cfg={})))
print(forks._is_registered)
"""
    environment = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    answer = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert answer.stdout.split() == ["False", "True"]
