"""tools/run_stages.py and tools/test.py, as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import run_here
from tiny import DIGITS, ROOT, TINY

QUIET = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}
KNN = ROOT / "configs/benchmarks/knn_digits.py"


def flags(**changes) -> list[str]:
    merged = {**TINY, **{key.replace("__", "."): value for key, value in changes.items()}}
    return [
        "--work-dir",
        "run",
        "--cfg-options",
        *(f"{key}={value}".replace(" ", "") for key, value in merged.items()),
    ]


def run(*command, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=QUIET,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def stages(*arguments, cwd) -> subprocess.CompletedProcess:
    return run(sys.executable, ROOT / "tools/run_stages.py", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """Pre-training and two stages on two processes."""
    folder = tmp_path_factory.mktemp("two_ranks")
    arguments = [
        DIGITS,
        2,
        "--stages",
        "pretrain,knn,linear",
        *flags(),
        "--stage-options",
        "linear.train_cfg.max_epochs=2",
    ]
    return run(ROOT / "tools/dist_run_stages.sh", *arguments, cwd=folder), folder


def test_two_processes_run_the_stages_together_and_print_one_table(two_ranks):
    done, folder = two_ranks
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| knn_digits ") == done.stdout.count("| linear_digits ") == 1
    assert done.stdout.endswith((folder / "run/results.md").read_text())


def test_one_process_finds_what_two_did_with_either_tool(two_ranks, capfd):
    _, folder = two_ranks
    expected = json.loads((folder / "run/results.json").read_text())[0]["metrics"]
    alone = run_here(
        capfd,
        "test.py",
        KNN,
        "run/epoch_3.pth",
        "--out",
        "knn.json",
        *model_flags(),
        cwd=folder,
    )
    assert alone.returncode == 0, alone.stderr
    assert json.loads((folder / "knn.json").read_text()) == pytest.approx(expected)
    together = run(
        ROOT / "tools/dist_test.sh",
        KNN,
        "run/epoch_3.pth",
        2,
        "--out",
        "knn2.json",
        *model_flags(),
        cwd=folder,
    )
    assert together.returncode == 0, together.stderr
    assert json.loads((folder / "knn2.json").read_text()) == pytest.approx(expected)


def model_flags() -> list[str]:
    """The digits' backbone in the place of ResNet-50."""
    values = {
        "type": "ResNet_CIFAR",
        "depth": 18,
        "stem_channels": 4,
        "base_channels": 4,
        "strides": "(2,2,2,1)",
    }
    means = [
        "model.data_preprocessor.mean=[78.0,78.0,78.0]",
        "model.data_preprocessor.std=[96.0,96.0,96.0]",
    ]
    return [
        "--cfg-options",
        *(f"model.backbone.{key}={value}" for key, value in values.items()),
        *means,
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [DIGITS, "--stages", "lineer"],
            "there is no stage 'lineer'; there are pretrain, knn_digits, linear_digits",
        ),
        (
            [DIGITS, "--stages", "knn", "--checkpoint", "gone.pth"],
            "there is no checkpoint gone.pth",
        ),
        ([DIGITS, "--work-dir", "file/run"], "Not a directory"),
        (
            [ROOT / "configs/hcsc_r18_grocery.py"],
            "pretrain needs the data in data/grocery, which does not exist",
        ),
        ([DIGITS, "--stages", "knn"], "add the stage pretrain, or give --checkpoint FILE"),
    ],
    ids=["stage", "checkpoint", "work dir", "data", "order"],
)
def test_mistake_is_one_line_and_a_failure(arguments, message, tmp_path, capfd):
    (tmp_path / "file").touch()
    check_refused(run_here(capfd, "run_stages.py", *arguments, cwd=tmp_path), message)


def test_mistake_is_one_line_and_a_failure_of_the_process(tmp_path):
    check_refused(stages("gone.py", cwd=tmp_path), "there is no config file gone.py")


def check_refused(done, message):
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "the same command goes on"), (signal.SIGTERM, 75, "stopped by SIGTERM")],
)
def test_a_signal_ends_the_chain_with_a_word_and_the_same_command_goes_on(
    number, code, words, tmp_path, capfd
):
    command = [DIGITS, "--stages", "pretrain,knn", *flags(train_cfg__max_epochs=12)]
    begun = subprocess.Popen(
        [sys.executable, str(ROOT / "tools/run_stages.py"), *map(str, command)],
        cwd=tmp_path,
        env=QUIET,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Commands that a shell starts in the background ignore Ctrl-C, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob("run/epoch_*.pth")):
        assert begun.poll() is None, begun.stderr.read()
        time.sleep(0.05)
    begun.send_signal(number)
    _, errors = begun.communicate(timeout=120)
    assert begun.returncode == code, errors
    assert words in errors
    again = run_here(capfd, "run_stages.py", *command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "resumed epoch" in again.stdout + again.stderr
    assert "| knn_digits " in again.stdout


def test_a_config_with_nothing_to_test_is_refused(tmp_path, capfd):
    done = run_here(capfd, "test.py", DIGITS, "gone.pth", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: the config says nothing to test" in done.stderr


@pytest.mark.parametrize(
    ("script", "tool", "arguments"),
    [
        ("slurm_test.sh", "test.py", ["part", "job", "config.py", "w.pth"]),
        ("slurm_run_stages.sh", "run_stages.py", ["part", "job", "config.py"]),
    ],
)
def test_slurm_scripts_ask_again_when_the_run_was_stopped(script, tool, arguments, tmp_path):
    (tmp_path / "srun").write_text(
        '#!/usr/bin/env bash\necho "$*" >> calls\n[ $(wc -l < calls) -gt 1 ] || exit 75\n'
    )
    (tmp_path / "srun").chmod(0o755)
    env = {**QUIET, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(ROOT / "tools" / script), *arguments],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert first == second
    assert "-p part --job-name=job" in first
    assert first.endswith(f"{tool} --launcher slurm {' '.join(arguments[2:])}")


@pytest.mark.parametrize(
    "script",
    ["dist_train.sh", "dist_test.sh", "dist_run_stages.sh", "slurm_test.sh", "slurm_run_stages.sh"],
)
def test_scripts_without_arguments_say_how_they_are_used(script, tmp_path):
    done = run(ROOT / "tools" / script, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
