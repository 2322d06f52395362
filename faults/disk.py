"""A disk that fills up while a checkpoint is written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from .job import Job

# A checkpoint of the small run is 0.8 MB: two are kept, and there is no room for a third beside
# them.
SIZE = "2m"


def full_disk(folder: Path, mount: bool = True) -> list[tuple[str, object, bool]]:
    """Train into a file system of 2 MB; where none is wanted or may be mounted, with a limit on the
    length of files instead.
    """
    options = {"processes": 2, "epochs": 4, "every_n_iters": None}
    job = Job(folder, **options)
    job.work_dir.mkdir()
    with small_disk(job.work_dir) if mount else nullcontext(False) as mounted:
        if not mounted:
            job = Job(
                folder / "limit",
                **options,
                hooks=({"type": "mmengine.Disturb", "what": "disk", "rank": 0},),
            )
        code = job.run()
        lines = [
            line
            for line in job.output().splitlines()
            if "cannot write the checkpoint" in line and line.startswith("error:")
        ]
        damaged, unfinished = job.damaged(), [path.name for path in job.work_dir.glob("*.part")]
        whole = len(list(job.work_dir.glob("*.pth"))) - len(damaged)
    tracebacks = job.output().count("Traceback")
    counts = f"{whole}, {len(damaged)}, {len(unfinished)}"
    return [
        (
            f"disk full ({'file system of 2 MB' if mounted else 'limit on file length'}): exit "
            "code",
            code,
            code == 1,
        ),
        ("  lines that say so", len(lines), len(lines) == 1),
        ("  tracebacks", tracebacks, tracebacks == 0),
        (
            "  whole checkpoints, unreadable ones, unfinished ones",
            counts,
            whole > 0 and not damaged and not unfinished,
        ),
    ]


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a file system of 2 MB; False where that is not allowed."""
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)
