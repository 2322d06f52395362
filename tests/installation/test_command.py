"""``hcsc TOOL`` is ``python tools/TOOL.py``: arguments, exit code, signals and all."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from tiny import ROOT

TOOLS = {
    "say_more.py": '"""Say what was said: ``python tools/say_more.py WORDS``.\n\nAnd more."""\n'
    "import sys\n"
    "print(sys.argv[1:], sys.stdout.write_through, __name__)\n"
    "sys.exit(7)\n",
    "wait.py": '"""Wait; nothing else."""\n'
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
    "print(os.getpid(), flush=True)\n"
    "time.sleep(60)\n",
    "many.sh": "#!/usr/bin/env bash\n# Do it many times. On many machines.\n#   many.sh N\n"
    'python -c "import sys; print(sys.prefix)"\necho "$@"\nexit 3\n',
    "parts/one.py": '"""One part."""\n',
}


@pytest.fixture(params=["tools", "hcsc_mm/.mim/tools"])
def command(tmp_path, request):
    """The command in a clone and in an installation, with tools that nobody has listed."""
    shutil.copy(ROOT / "hcsc_mm_command.py", tmp_path)
    for name, text in TOOLS.items():
        path = tmp_path / request.param / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [sys.executable, "-u", tmp_path / "hcsc_mm_command.py"]


def run(command, *arguments, **environment):
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_lists_every_tool_with_its_first_sentence(command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert [line.split(maxsplit=1) for line in done.stdout.splitlines()[2:]] == [
        ["many", "Do it many times"],
        ["parts/one", "One part"],
        ["say-more", "Say what was said"],
        ["wait", "Wait"],
    ]


@pytest.mark.parametrize("name", ["say-more", "say_more", "say_more.py"])
def test_arguments_flags_of_python_and_exit_code_are_the_tools(command, name):
    done = run(command, name, "--help", "two words")
    assert done.stdout == "['--help', 'two words'] True __main__\n"
    assert done.returncode == 7


def test_shell_scripts_find_the_python_of_the_command(command):
    done = run(command, "many", "4", "5", PATH="/usr/bin:/bin")
    assert done.stdout == f"{sys.prefix}\n4 5\n"
    assert done.returncode == 3


def test_signals_reach_the_tool_which_has_the_commands_process_id(command):
    with subprocess.Popen([*command, "wait"], stdout=subprocess.PIPE, text=True) as process:
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 75


def test_unknown_tool_is_one_line_with_the_nearest(command):
    done = run(command, "say-mroe")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: there is no tool 'say-mroe'; did you mean say-more? hcsc --help lists all 4\n"
    )


def test_without_a_tool_it_lists_them_and_fails(command):
    done = run(command)
    assert done.returncode == 2
    assert "say-more" in done.stdout


def test_every_tool_of_the_repository_says_what_it_does():
    done = run([sys.executable, ROOT / "hcsc_mm_command.py"], "--help")
    listed = [line.split(maxsplit=1) for line in done.stdout.splitlines()[2:]]
    assert {"train", "test", "run-stages", "convert-checkpoint", "quick-start", "dist-train"} <= {
        row[0] for row in listed
    }
    assert all(len(row) == 2 for row in listed), listed


def test_a_config_of_the_package_is_named_without_its_place(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hcsc_mm_command", "train", "hcsc_mm::gone.py"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: there is no config file {ROOT / 'configs' / 'gone.py'}"
    )
