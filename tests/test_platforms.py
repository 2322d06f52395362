"""What depends on the system says so, and the rest runs without what only some systems have."""

import os
import subprocess
import sys

from tiny import DIGITS, ROOT, TINY

# What Python does not have on Windows, as far as the libraries get along without it elsewhere.
LACKING = """
import os, signal, sys
for name in ("SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGHUP", "SIGQUIT", "SIGALRM"):
    delattr(signal, name)
del os.O_NONBLOCK
for module in ("fcntl", "pwd", "grp", "termios"):
    sys.modules[module] = None
"""


def run(program: str, *arguments: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_chain_trains_and_evaluates_without_what_windows_lacks(tmp_path):
    tool = ROOT / "tools" / "run_stages.py"
    options = {**TINY, "train_cfg.max_epochs": 2}
    done = run(
        f"{LACKING}\nimport runpy\nsys.argv = ['run_stages.py', *sys.argv[1:]]\n"
        f"runpy.run_path({str(tool)!r}, run_name='__main__')",
        DIGITS,
        "--work-dir",
        "run",
        "--stages",
        "pretrain,knn",
        "--cfg-options",
        *(f"{key}={value}".replace(" ", "") for key, value in options.items()),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "knn_digits" in done.stdout


def test_launcher_of_several_processes_refuses_other_systems_in_one_line(tmp_path):
    launcher = ROOT / "tools" / "launch.py"
    done = run(
        f"{LACKING}\nimport runpy\nsys.platform = 'win32'\n"
        f"runpy.run_path({str(launcher)!r}, run_name='__main__')",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: this launcher finds its processes in /proc")
    assert len(done.stderr.splitlines()) == 1
