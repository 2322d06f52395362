"""Many epochs with a clustering each: memory, file handles and threads stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

from .job import Job

FIRST = 0.2  # of the epochs; what is allocated then is allocated for the whole run


def endurance(folder: Path, seconds: float) -> list[tuple[str, object, bool]]:
    """Train so long, and compare the process after a fifth of the epochs with what follows."""
    hooks = ({"type": "mmengine.Meter"}, {"type": "mmengine.StopAfter", "seconds": seconds})
    job = Job(folder, processes=2, epochs=1_000_000, every_n_iters=None, workers=1, hooks=hooks)
    code = job.run(timeout=seconds + 300)
    rows: list[tuple[str, object, bool]] = [
        (f"training for {seconds / 60:.3g} minutes: exit code", code, code == 0)
    ]
    for rank in range(2):
        lines = [
            json.loads(line)
            for line in (job.work_dir / f"meter{rank}.jsonl").read_text().splitlines()
        ]
        late = lines[int(FIRST * len(lines)) :]
        first, memory = late[0], [line["memory_kB"] for line in late]
        change = max(abs(value / first["memory_kB"] - 1) for value in memory)
        files, threads = (
            max(line[name] for line in late) - first[name] for name in ("files", "threads")
        )
        rows += [
            (f"  rank {rank}: epochs, each with a clustering", len(lines), len(lines) > 10),
            (
                f"  rank {rank}: largest change of memory from {first['memory_kB'] / 1024:.0f} MB",
                f"{change:.2%}",
                change <= 0.02,
            ),
            (
                f"  rank {rank}: more file handles, more threads",
                f"{files}, {threads}",
                files <= 0 and threads <= 0,
            ),
        ]
    return rows
