"""A training run of its own, as a user starts it, that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import torch
from torch import Tensor

from hcsc_mm import HCSCError
from hcsc_mm.utils.safe_load import find_damage, load_data

ROOT = Path(__file__).resolve().parents[1]

# The digits, small: a step takes some hundredths of a second, an epoch of 192 images on two
# processes 6 steps.
CONFIG = """
_base_ = [{base!r}]
custom_imports = dict(imports=["hcsc_mm", "faults.hooks"])
train_dataloader = dict(batch_size=16, num_workers={workers}, dataset=dict(indices=192))
train_cfg = dict(max_epochs={epochs})
model = dict(
    queue_len=40,
    backbone=dict(stem_channels=4, base_channels=4, norm_cfg=dict(_delete_=True, type="BN")),
    neck=dict(in_channels=32, hid_channels=32, out_channels=16),
)
custom_hooks = {hooks!r}
default_hooks = dict(
    clustering=dict(num_prototypes=(12, 6, 3), warmup_epochs=1, features={features!r}),
    stage=dict(type="mmengine.ReportStage"),
    checkpoint=dict(every_n_iters={every_n_iters}, max_keep_ckpts=2),
    logger=dict(interval=1000),
)
"""


class Job:
    """One work folder, in which a run is started, killed and started again.

    Args:
        folder: For the config, the checkpoints and the temporary files of all starts.
        processes: 1 starts tools/train.py, more start tools/dist_train.sh.
        epochs: Of 192 images each.
        every_n_iters: Steps from one checkpoint within an epoch to the next.
        workers: Of the data loader, per process.
        hooks: Configs of further hooks.
        features: Of the clustering hook.
    """

    def __init__(
        self,
        folder: Path,
        processes: int,
        epochs: int,
        every_n_iters: int | None = 2,
        workers: int = 0,
        hooks: tuple[dict, ...] = (),
        features: str = "extract",
    ) -> None:
        self.folder, self.processes, self.epochs = folder, processes, epochs
        self.work_dir = folder / "run"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.config = folder / "config.py"
        base = str(ROOT / "configs/hcsc_r18_digits.py")
        values = {
            "base": base,
            "epochs": epochs,
            "every_n_iters": every_n_iters,
            "workers": workers,
            "features": features,
        }
        self.config.write_text(CONFIG.format(**values, hooks=list(hooks)))
        self.mark = uuid.uuid4().hex
        self.process: subprocess.Popen | None = None

    def start(self, *flags: str) -> None:
        """Start the run; its output goes to a file."""
        (self.work_dir / "stage").unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "TMPDIR": str(self.temporary),
            "HCSC_FAULTS": self.mark,
        }
        if self.processes == 1:
            command = [sys.executable, ROOT / "tools/train.py", self.config]
        else:
            command = [ROOT / "tools/dist_train.sh", self.config, self.processes]
        command = [*map(str, command), "--work-dir", str(self.work_dir), *flags]
        with open(self.folder / "output.txt", "w") as output:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *flags: str, timeout: float = 600) -> int:
        """Start the run and wait for its end; returns its exit code."""
        self.start(*flags)
        return self.wait(timeout)

    def wait(self, timeout: float = 600) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            for member in set(self.members()) - {self.process.pid}:
                kill(member, signal.SIGUSR2)  # faults.hooks: write down where you are
            time.sleep(2)
            self.kill_all()
            raise RuntimeError(
                f"the run did not end within {timeout:.0f} s, "
                f"{self.stage()}:\n{self.output()[-10_000:]}"
            ) from None

    def wait_for_training(self, timeout: float = 300) -> bool:
        """Wait until it clusters or trains; False if it ended before."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            if self.stage() != "starting":
                return True
            time.sleep(0.02)
        return False

    def stage(self) -> str:
        """What the run is doing."""
        file = self.work_dir / "stage"
        return (file.read_text() if file.exists() else "") or "starting"

    def members(self) -> list[int]:
        """All its processes: launcher, ranks, loader workers."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"HCSC_FAULTS={self.mark}".encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def ranks(self) -> list[int]:
        """Processes of the ranks, by rank."""
        found = {}
        for number in self.members():
            try:
                environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
                parent = (
                    Path(f"/proc/{number}/stat").read_text().rsplit(")", maxsplit=1)[1].split()[1]
                )
            except OSError:
                continue
            rank = next(
                (int(entry[5:]) for entry in environment if entry.startswith(b"RANK=")), None
            )
            if rank is not None and int(parent) == self.process.pid:
                found[rank] = number
        return [found[rank] for rank in sorted(found)]

    def kill_all(self) -> None:
        """SIGKILL to every process, as when the machine goes down."""
        while members := self.members():
            for number in members:
                kill(number)
            time.sleep(0.01)
        self.process.wait()

    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    def final_weights(self) -> dict[str, Tensor]:
        return load_data(self.work_dir / f"epoch_{self.epochs}.pth", map_location="cpu")[
            "state_dict"
        ]

    def damaged(self) -> list[str]:
        """Checkpoints that cannot be read."""
        bad = []
        for path in self.work_dir.glob("*.pth"):
            try:
                load_data(path, map_location="cpu")
                problem = find_damage(path)
            except HCSCError as error:
                problem = error.one_line()
            if problem is not None:
                bad.append(f"{path.name}: {problem}")
        return bad

    def left_behind(self) -> list[str]:
        """Files that are neither checkpoints nor logs."""
        unfinished = [
            path.name for path in self.work_dir.iterdir() if path.name.endswith((".part", ".tmp"))
        ]
        return unfinished + [path.name for path in self.temporary.iterdir()]


def kill(process: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Largest absolute difference of two state dicts."""
    if one.keys() != other.keys():
        return float("inf")
    return max(
        float((one[name].double() - other[name].double()).abs().max())
        for name in one
        if torch.is_tensor(one[name])
    )
