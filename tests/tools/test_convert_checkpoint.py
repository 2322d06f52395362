"""The command line of the converter, as a user runs it."""

import os
import subprocess
import sys

import released
import torch
from malicious import Malicious
from released import backbone_of, random_resnet
from tiny import ROOT


def run(*arguments, cwd):
    command = [sys.executable, ROOT / "tools/convert_checkpoint.py", *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_conversion_prints_what_it_read_wrote_left_out_and_verified(tmp_path):
    released.save(released.hcsc(), tmp_path / "released.pth.tar")
    done = run("released.pth.tar", "out/backbone.safetensors", "--to", "timm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "read",
        "written",
        *["not"] * 6,
        "verified",
    ]
    assert "layout hcsc, ResNet-18, query encoder" in done.stdout
    assert "verified  by timm: largest difference of a feature " in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["backbone.safetensors"]


def test_malicious_file_is_one_line_and_a_failure(tmp_path):
    torch.save(
        {"state_dict": backbone_of(random_resnet()), "extra": Malicious(tmp_path / "code has run")},
        tmp_path / "bad.pth",
    )
    done = run("bad.pth", "out.pth", "--to", "torchvision", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("error: bad.pth is refused:") and len(done.stderr.splitlines()) == 1
    )
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]
