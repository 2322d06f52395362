"""Time and memory of opening an index of many images in tar shards, in several processes at once.

    python benchmarks/bench_index.py --images 10000000 --processes 8 --out /big/disk/index

The shards are empty space of the right size, and nothing is decoded. Each process opens the data
set for itself, as the ranks of a run do, and asks for images in random order; workers that are
forked have less to do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import numpy as np
from measure import peak_mib

import hcsc_mm  # noqa: F401
from hcsc_mm.datasets.fingerprint import fingerprint
from hcsc_mm.datasets.same_classes import check_labels
from hcsc_mm.datasets.tar_images import TarImages
from hcsc_mm.datasets.tar_index import ROW, Shard, index_path, write_index
from hcsc_mm.evaluation.feature_set import read_labels

_BYTES = 110_000  # of an image of ImageNet
_PER_SHARD = 10_000
_CLASSES = 21_841
_NAME = "n{:08d}/n{:08d}_{:08d}.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--asked", type=int, default=200_000, help="images of each process")
    parser.add_argument("--out", required=True, help="an empty folder on a disk with 1 GB free")
    args = parser.parse_args()
    folder = Path(args.out).absolute()
    folder.mkdir(parents=True)
    try:
        made = seconds_of(lambda: make(folder, args.images))
        index = index_path(str(folder))
        size = os.path.getsize(index)
        forget(index)
        context = multiprocessing.get_context("fork")
        barrier, answers = context.Barrier(args.processes), context.SimpleQueue()
        processes = [
            context.Process(target=opens, args=(str(folder), args.asked, seed, barrier, answers))
            for seed in range(args.processes)
        ]
        for process in processes:
            process.start()
        found = [answers.get() for _ in processes]
        for process in processes:
            process.join()
        forget(index)
        dataset = TarImages(str(folder), pipeline=[])
        report = {
            "images": args.images,
            "index MiB": size >> 20,
            "writing the index, s": round(made, 1),
            "opening, s": spread([one["opening"] for one in found]),
            "asking for an image, microseconds": spread([one["asking"] for one in found]),
            "processes": args.processes,
            "mapped MiB in memory of each": spread([one["Rss"] for one in found]),
            "mapped MiB in memory of all, shared pages once": round(sum(o["Pss"] for o in found)),
            "mapped MiB of one's own": spread([one["private"] for one in found]),
            "other memory that each took, MiB": spread([one["other"] for one in found]),
            "fingerprint of all names and sizes, s": round(
                seconds_of(lambda: fingerprint(dataset)), 1
            ),
            "checking the labels of all, s": round(
                seconds_of(lambda: check_labels(dataset, _CLASSES, "training")), 2
            ),
            "reading them, s": round(
                seconds_of(lambda: read_labels(dataset, range(args.images))), 2
            ),
            "peak MiB of that process": int(peak_mib()),
        }
    finally:
        shutil.rmtree(folder)
    print(json.dumps(report, indent=2))


def make(folder: Path, number: int) -> None:
    """Shards without content, and their index."""
    rows, names, shards, end = [], [], [], np.uint64(0)
    for start in range(0, number, _PER_SHARD):
        path = folder / f"train-{start // _PER_SHARD:06d}.tar"
        count = min(_PER_SHARD, number - start)
        with open(path, "wb") as file:
            file.truncate(count * (_BYTES + 1024))
        texts = [
            _NAME.format(image % _CLASSES, image % _CLASSES, image).encode()
            for image in range(start, start + count)
        ]
        part = np.zeros(count, ROW)
        part["length"] = [len(text) for text in texts]
        part["name"] = end + np.cumsum(part["length"] + 1) - part["length"] - 1
        part["start"] = 512 + np.arange(count, dtype=np.uint64) * (_BYTES + 1024)
        part["size"], part["shard"] = _BYTES, len(shards)
        part["label"] = np.arange(start, start + count) % _CLASSES
        rows.append(part)
        names.append(b"\0".join([*texts, b""]))
        end += np.uint64(len(names[-1]))
        shards.append(Shard.at(str(path)))
    write_index(index_path(str(folder)), shards, rows, names, None)


def opens(folder: str, asked: int, seed: int, barrier, answers) -> None:
    """One process: open, ask, say what it took."""
    before = own_memory()
    barrier.wait()
    start = time.perf_counter()
    dataset = TarImages(folder, pipeline=[])
    number = len(dataset)
    opening = time.perf_counter() - start
    places = np.random.default_rng(seed).integers(0, number, asked).tolist()
    start = time.perf_counter()
    for place in places:
        dataset.get_data_info(place)
    asking = (time.perf_counter() - start) / asked * 1e6
    barrier.wait()  # all have asked, and none has gone
    mapped = mapping(index_path(folder))
    other = own_memory() - before - mapped["private"]
    barrier.wait()
    answers.put({"opening": opening, "asking": asking, "other": other, **mapped})


def mapping(path: str) -> dict[str, float]:
    """MiB of a mapped file in this process: resident, its share of that, and what only it has."""
    found = {"Rss": 0.0, "Pss": 0.0, "private": 0.0}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        key, *values = line.split()
        if not key.endswith(":"):
            inside = line.endswith(path)
        elif inside:
            mib = int(values[0]) / 1024 if values[0].isdigit() else 0
            if key.startswith("Private"):
                found["private"] += mib
            elif key[:-1] in found:
                found[key[:-1]] += mib
    return found


def own_memory() -> float:
    """MiB that only this process has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


def forget(path: str) -> None:
    """Take a file out of the system's cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_of(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def spread(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


if __name__ == "__main__":
    main()
