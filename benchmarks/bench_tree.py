"""Time and memory of building a tree of embeddings that are there already.

    python benchmarks/bench_tree.py --images 100000 --out /big/disk/tree

The embeddings are made: 128 numbers around 2,000 directions, which lie around 50. Nothing is
decoded, and no page is written.
"""

from __future__ import annotations

import argparse
import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
from measure import peak_mib

import hcsc_mm  # noqa: F401
from hcsc_mm.explore import build as building
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.whole_files import open_array, write_array

_DIM = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    out = Path(args.out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    write_array(out / "made.npy", make(args.images), (args.images, _DIM), np.float32)
    sources = Sources(None, None, open_array(out / "made.npy"))
    seconds = timed_steps()
    own = Anonymous()
    start = time.perf_counter()
    building.build_tree(sources, out / "tree", building.BuildOptions())
    total = time.perf_counter() - start
    sizes = {
        str(path.relative_to(out / "tree")): path.stat().st_size
        for path in sorted((out / "tree").rglob("*"))
        if path.is_file()
    }
    report = {
        "images": args.images,
        "seconds": round(total, 1),
        "of which": {name: round(value, 1) for name, value in seconds.items()},
        "peak MiB of its own": own.stop(),
        "peak MiB with mapped files": int(peak_mib()),
        "files": sizes,
    }
    print(json.dumps(report, indent=2))


def make(number: int):
    """Pieces of (N, D) unit rows, in no order."""
    random = np.random.default_rng(0)
    centres = unit(random.normal(size=(50, _DIM)))
    fine = unit(centres[random.integers(50, size=2000)] + 0.06 * random.normal(size=(2000, _DIM)))
    for start in range(0, number, 2**14):
        chosen = random.integers(2000, size=min(2**14, number - start))
        yield unit(fine[chosen] + 0.04 * random.normal(size=(len(chosen), _DIM)))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def timed_steps() -> dict[str, float]:
    """Seconds of each step, which are there when the build is over."""
    seconds: dict[str, float] = {}
    for name in ("embed", "grow", "place", "find_neighbours", "lay_out", "write"):
        seconds[name] = 0.0
        setattr(building._Build, name, _timed(getattr(building._Build, name), name, seconds))
    return seconds


def _timed(step, name, seconds):
    def run(self):
        start = time.perf_counter()
        step(self)
        seconds[name] = time.perf_counter() - start

    return run


class Anonymous:
    """The largest anonymous memory of this process while it is watched; mapped files, which the
    system takes back when it needs room, do not count.
    """

    def __init__(self) -> None:
        self._peak, self._over = 0, threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self._peak = max(self._peak, int(line.split()[1]) // 1024)

    def stop(self) -> int:
        self._over.set()
        self._watcher.join()
        return self._peak


if __name__ == "__main__":
    main()
