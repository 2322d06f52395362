"""The command line, as a user runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import run_here
from tiny import ROOT, TINY

QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def options(**changes):
    merged = {
        **TINY,
        "train_cfg.max_epochs": 2,
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    return ["--cfg-options", *(f"{key}={value}".replace(" ", "") for key, value in merged.items())]


def run(*command, cwd, env=QUIET, timeout=300):
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def train(*arguments, cwd):
    return run(sys.executable, ROOT / "tools/train.py", *arguments, cwd=cwd)


def test_training_runs_from_any_folder_and_resumes_from_the_latest_checkpoint(tmp_path, capfd):
    config = ROOT / "configs/hcsc_r18_digits.py"
    first = train(config, "--work-dir", "run", *options(), cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "run/epoch_2.pth").is_file()
    longer = ["--work-dir", "run", "--resume", *options(train_cfg__max_epochs=3)]
    second = run_here(capfd, "train.py", config, *longer, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "resumed epoch: 2" in second.stdout + second.stderr
    assert (tmp_path / "run/epoch_3.pth").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            [ROOT / "configs/hcsc_r18_digits.py", "--amp"],
            "fp16 mixed precision needs a GPU, which PyTorch does not see here; take --amp bf16",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (
            [ROOT / "configs/hcsc_r18_digits.py", "--resume", "gone.pth"],
            "there is no checkpoint gone.pth to resume from",
        ),
        (
            [
                ROOT / "configs/hcsc_r18_digits.py",
                *options(default_hooks__clustering__num_prototypes=(200, 5)),
            ],
            "num_prototypes[0]=200 exceeds the 100 training images; set at most 100",
        ),
    ],
)
def test_mistake_is_one_line_and_a_failure(tmp_path, arguments, message, capfd):
    check_refused(run_here(capfd, "train.py", *arguments, cwd=tmp_path), message)


def test_mistake_is_one_line_and_a_failure_of_the_process(tmp_path):
    check_refused(train("gone.py", cwd=tmp_path), "there is no config file gone.py")


def check_refused(done, message):
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_ctrl_c_during_clustering_exits_within_seconds(tmp_path, backend):
    """2,000 clusters of 200,000 points keep either back end busy for minutes."""
    script = tmp_path / "cluster.py"
    script.write_text(
        "import torch\n"
        "from hcsc_mm.clustering import hierarchical_kmeans\n"
        "from hcsc_mm.runtime.error_reports import one_line_errors\n"
        "with one_line_errors():\n"
        "    points = torch.nn.functional.normalize(torch.randn(200_000, 128), dim=1)\n"
        "    print('clustering', flush=True)\n"
        f"    hierarchical_kmeans(points, (2000, 100), backend={backend!r})\n"
    )
    process = subprocess.Popen(
        [sys.executable, script],
        env=QUIET,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell starts background jobs with Ctrl-C ignored
    )
    assert process.stdout.readline().strip() == "clustering"
    time.sleep(3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; continue with --resume" in errors
    assert "Traceback" not in errors


def test_run_that_is_told_to_stop_before_it_has_begun_says_that_it_can_be_started_again(tmp_path):
    command = [
        sys.executable,
        ROOT / "tools/train.py",
        ROOT / "configs/hcsc_r18_digits.py",
        "--work-dir",
        tmp_path / "run",
    ]
    process = subprocess.Popen(
        list(map(str, command)), env=QUIET, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    caught = 0
    while not caught & 1 << (signal.SIGTERM - 1):
        status = dict(
            line.split(":", maxsplit=1)
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        )
        caught = int(status["SigCgt"], 16)
    process.terminate()
    assert process.wait(60) == 75


HIERARCHY_OF_EACH_RANK = """
import os
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class SaveHierarchy(Hook):
    def after_train(self, runner):
        model = runner.model.module
        path = os.path.join(runner.work_dir, f"rank{runner.rank}.pt")
        torch.save((model.hierarchy.state_dict(), model.queue.keys), path)
"""


def distributed_config(tmp_path) -> Path:
    (tmp_path / "save_hierarchy.py").write_text(HIERARCHY_OF_EACH_RANK)
    config = tmp_path / "two_ranks.py"
    config.write_text(
        f"_base_ = [{str(ROOT / 'configs/hcsc_r18_digits.py')!r}]\n"
        "custom_imports = dict(imports=['hcsc_mm', 'save_hierarchy'])\n"
        "default_hooks = dict(save=dict(type='mmengine.SaveHierarchy'))\n"
    )
    return config


def check_two_ranks(folder):
    (ours, our_keys), (theirs, their_keys) = (
        torch.load(folder / f"rank{rank}.pt") for rank in range(2)
    )
    assert len(ours["assignment"]) == 101  # an odd number: a sampler that pads would make it 102
    assert torch.equal(ours["assignment"], theirs["assignment"])
    for name in ("parents", "prototypes", "concentrations"):
        assert all(
            torch.equal(one, other) for one, other in zip(ours[name], theirs[name], strict=True)
        )
    assert torch.equal(our_keys, their_keys)


def test_dist_train_trains_on_two_cpu_processes_that_hold_the_same_hierarchy(tmp_path):
    env = {
        **QUIET,
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    changes = options(train_dataloader__dataset__indices=101)
    done = run(
        ROOT / "tools/dist_train.sh",
        distributed_config(tmp_path),
        2,
        "--work-dir",
        "run",
        *changes,
        cwd=tmp_path,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    check_two_ranks(tmp_path / "run")


def test_slurm_train_gives_srun_what_a_cluster_needs(tmp_path):
    """With a srun of our own that starts two tasks as Slurm would."""
    (tmp_path / "srun").write_text(
        "#!/usr/bin/env bash\n"
        'echo "srun $*" > "$(dirname "$0")/called"\n'
        'while [ "$1" != python ]; do shift; done\n'
        "export SLURM_NTASKS=2 SLURM_NODELIST=here\n"
        'SLURM_PROCID=1 SLURM_LOCALID=1 "$@" &\n'
        'SLURM_PROCID=0 SLURM_LOCALID=0 "$@"\n'
        "wait %1\n"
    )
    (tmp_path / "scontrol").write_text("#!/usr/bin/env bash\necho 127.0.0.1\n")
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    env = {
        **QUIET,
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    env.update(GPUS="2", SRUN_ARGS="--time=1", MASTER_PORT=str(29600 + os.getpid() % 1000))
    changes = options(train_dataloader__dataset__indices=101)
    config = distributed_config(tmp_path)
    done = run(
        ROOT / "tools/slurm_train.sh",
        "part",
        "job",
        config,
        "--work-dir",
        "run",
        *changes,
        cwd=tmp_path,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "called").read_text()
    for flag in (
        "-p part",
        "--job-name=job",
        "--gres=gpu:2",
        "--ntasks=2",
        "--ntasks-per-node=2",
        "--time=1",
    ):
        assert flag in called
    check_two_ranks(tmp_path / "run")


def stand_in(folder, name, script):
    (folder / name).write_text("#!/usr/bin/env bash\n" + script)
    (folder / name).chmod(0o755)


def slurm_train(folder, **env):
    """slurm_train.sh with a srun whose run is stopped the first time and ends well the second."""
    stand_in(
        folder,
        "srun",
        f'echo "$*" >> {folder}/calls\n[ $(wc -l < {folder}/calls) -gt 1 ] || exit 75\n',
    )
    stand_in(folder, "scontrol", f'echo "scontrol $*" >> {folder}/calls\n')
    env = {**QUIET, "PATH": f"{folder}:{os.environ['PATH']}", **env}
    return run(
        ROOT / "tools/slurm_train.sh", "part", "job", "config.py", "--amp", cwd=folder, env=env
    )


def test_slurm_train_asks_again_when_the_run_was_stopped_and_goes_on_from_its_checkpoint(tmp_path):
    done = slurm_train(tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert "--signal=USR1@120" in first and first.endswith(
        "train.py --launcher slurm config.py --amp"
    )
    assert second == f"{first} --resume auto"


def test_slurm_train_in_a_batch_job_requeues_the_job(tmp_path):
    done = slurm_train(tmp_path, SLURM_JOB_ID="17")
    assert done.returncode == 75
    assert (tmp_path / "calls").read_text().splitlines()[1:] == ["scontrol requeue 17"]


def test_requeued_job_goes_on_from_its_checkpoint(tmp_path):
    slurm_train(tmp_path, SLURM_JOB_ID="17", SLURM_RESTART_COUNT="1")
    assert (tmp_path / "calls").read_text().splitlines()[0].endswith("--amp --resume auto")
