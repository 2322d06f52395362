"""The script for a day on a GPU: its pieces at tiny sizes on the CPU, and what the report says."""

import os
import re
import subprocess
import sys

import pytest
from tiny import ROOT

SCRIPT = ROOT / "tools/gpu_day.sh"
SHORT = "bench-clustering"  # has nothing to do on a CPU


def gpu_day(*arguments, out, **environment):
    env = {
        **os.environ,
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "GPU_DAY_OUT": str(out),
        "HCSC_GPU_DAY_DEVICE": "cpu",
        **environment,
    }
    return subprocess.run(
        [str(SCRIPT), *arguments], env=env, capture_output=True, text=True, timeout=300, check=False
    )


def sections(out):
    """Piece → verdict, of the report."""
    return dict(re.findall(r"^## (\S+): (.*)$", (out / "report.md").read_text(), re.MULTILINE))


def test_every_piece_of_the_list_has_a_function_and_words(tmp_path):
    lines = gpu_day("list", out=tmp_path).stdout.splitlines()
    assert len(lines) > 10
    text = SCRIPT.read_text()
    for line in lines:
        name, words = line.split(maxsplit=1)
        assert f"piece_{name}() {{" in text
        assert words


def test_pieces_append_to_one_report_and_a_failed_one_does_not_stop_the_others(tmp_path):
    # the limit of a second ends the first, and the second is over before
    done = gpu_day("million", SHORT, out=tmp_path, GPU_DAY_SECONDS="1")
    assert done.returncode == 1
    assert "failed: million" in done.stderr
    assert sections(tmp_path) == {"million": "FAILED: not over after 1 s", SHORT: "done"}
    assert gpu_day(SHORT, out=tmp_path).returncode == 0
    report = (tmp_path / "report.md").read_text()
    assert report.count(f"## {SHORT}: done") == 2
    assert report.count("# The day on a GPU\n") == 1
    assert "no GPU: tiny sizes on a CPU, of no meaning for speed" in report
    assert re.search(r"Exit code 124 after \d+ s", report)
    assert not list(tmp_path.glob("*.part"))


def test_a_benchmark_at_tiny_sizes_puts_its_table_into_the_report(tmp_path):
    pytest.importorskip("timm")
    done = gpu_day("step", out=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sections(tmp_path) == {"step": "done"}
    assert "mmpretrain's MoCo v2" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "step.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["speed"], {}, "error: there is no piece 'speed'"),
        ([SHORT], {"HCSC_GPU_DAY_DEVICE": "tpu"}, "must be cuda or cpu, got 'tpu'"),
        (["install", "no/such/folder"], {}, "has no list.txt"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, arguments, environment, message):
    done = gpu_day(*arguments, out=tmp_path, **environment)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "report.md").exists()
