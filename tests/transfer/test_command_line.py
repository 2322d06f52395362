"""Fine-tuning as users start it: one script, one flag for the weights, resumed and tested like any
run.
"""

from __future__ import annotations

import pytest
from shared import needs_coco
from transfer_runs import ROOT, check_trained, needs_mmseg, run, small_config

SCRIPT = ROOT / "tools/benchmarks/transfer.sh"


@needs_coco
@needs_mmseg
def test_two_processes_train_and_the_run_resumes_and_is_tested(checkpoint, coco, tmp_path):
    cfg = small_config("fcn_r50_20k_voc12aug", coco, iterations=4)
    cfg.default_hooks.checkpoint.interval = 4
    cfg.dump(tmp_path / "small.py")
    first = run(tmp_path, SCRIPT, "small.py", checkpoint, 2)
    check_trained(first, checkpoint, iterations=4)
    assert "batch norms are not synchronised" in first.output
    work_dir = tmp_path / "work_dirs/small" / f"{checkpoint.parent.name}_epoch_200"
    saved = work_dir / "iter_4.pth"

    tested = run(tmp_path, "python", ROOT / "tools/test.py", "small.py", saved)
    assert tested.code == 0, tested.output
    assert tested.metrics()["mIoU"] == pytest.approx(
        first.metrics()["mIoU"], abs=0.02
    )  # printed with two digits

    goal = ["--cfg-options", "train_cfg.max_iters=6"]
    second = run(tmp_path, SCRIPT, "small.py", checkpoint, 1, "--resume", "auto", *goal)
    assert second.code == 0, second.output
    assert "resumed epoch: 0, iter: 4" in second.output and len(second.losses()) == 2


@pytest.mark.parametrize(
    "arguments", [[], ["config.py", "weights.pth"], ["config.py", "weights.pth", "--amp"]]
)
def test_script_without_its_three_arguments_says_what_they_are(arguments, tmp_path):
    done = run(tmp_path, SCRIPT, *arguments)
    assert (
        done.code == 2
        and done.output.startswith("usage: ")
        and "CONFIG CHECKPOINT GPUS" in done.output
    )


def test_script_with_a_partition_asks_slurm_for_the_gpus(tmp_path):
    """With a srun of our own that writes down how it was called."""
    srun = tmp_path / "srun"
    srun.write_text('#!/usr/bin/env bash\necho "$*"\n')
    srun.chmod(0o755)
    done = run(
        tmp_path,
        "env",
        "PARTITION=part",
        f"PATH={tmp_path}:/usr/bin:/bin",
        SCRIPT,
        "a/fcn.py",
        "pre/epoch_9.pth",
        4,
        "--amp",
    )
    assert done.code == 0, done.output
    assert "-p part --job-name=fcn" in done.output and "--ntasks=4" in done.output
    assert (
        "a/fcn.py --checkpoint pre/epoch_9.pth --work-dir work_dirs/fcn/pre_epoch_9 --amp"
        in done.output
    )
