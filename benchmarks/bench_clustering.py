"""Hierarchical k-means: time, objective, ranks, memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import (
    Row,
    absolute,
    faster,
    forget_peak,
    in_turns,
    peak_mib,
    resident_mib,
    seconds,
    slower,
)
from torch import Tensor, multiprocessing
from yardsticks.clustering import faiss_hierarchy

from hcsc_mm.clustering import hierarchical_kmeans, kmeans
from hcsc_mm.structures import PrototypeHierarchy
from hcsc_mm.utils.shard import shard_slice

IMAGES = {"small": 50_000, "large": 1_281_167}
PROTOTYPES, DIM, COMPONENTS = (3000, 2000, 1000), 128, 200
BUDGET_MB = 256
BUDGET_IMAGES = (50_000, 400_000)


def mixture(num_rows: int, seed: int = 0) -> Tensor:
    """(n, 128) unit vectors around 200 directions, n / 200 each in expectation; the noise is as
    long as the direction.
    """
    generator = torch.Generator().manual_seed(seed)
    means = F.normalize(torch.randn(COMPONENTS, DIM, generator=generator), dim=1)
    features = torch.empty(num_rows, DIM)
    for rows in features.split(
        10_000
    ):  # in place: the memory benchmark must not see a peak of ours
        component = torch.randint(COMPONENTS, (len(rows),), generator=generator)
        rows.copy_(
            F.normalize(
                means[component] + torch.randn(len(rows), DIM, generator=generator) / DIM**0.5,
                dim=1,
            )
        )
    return features


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """The torch and the FAISS back end against the released code's clustering; ranks; memory."""
    features = mixture(IMAGES[scale]).to(device)
    later = F.normalize(
        features + 0.02 * torch.randn(features.shape).to(device), dim=1
    )  # cosine of 0.98 to what they were
    found: dict[str, list[list[float]]] = {"ours": [], "yardstick": []}
    last: list[PrototypeHierarchy] = []

    def cold(backend: str) -> None:
        hierarchy = hierarchical_kmeans(features, PROTOTYPES, backend=backend, memory_mb=BUDGET_MB)
        if backend == "torch":
            found["ours"].append(_objective(features, hierarchy))
            last[:] = [hierarchy]

    times = in_turns(
        {
            "torch": lambda: seconds(lambda: cold("torch"), device),
            "faiss": lambda: seconds(lambda: cold("faiss"), device),
            "warm": lambda: seconds(
                lambda: hierarchical_kmeans(later, PROTOTYPES, backend="torch", warm_start=last[0]),
                device,
            ),
            "yardstick": lambda: seconds(
                lambda: found["yardstick"].append(faiss_hierarchy(features, PROTOTYPES)), device
            ),
        },
        repeats,
    )
    what = f"hierarchical k-means, {len(features)} × {DIM}, K {'/'.join(map(str, PROTOTYPES))}"
    yardstick = times["yardstick"]
    table = [
        faster(f"FAISS, 5 restarts × 20 iterations : {what}", times["torch"], yardstick, 5.0),
        faster("the same : backend='faiss'", times["faiss"], yardstick, None),
        faster(
            "the same : warm start after a change of the features", times["warm"], yardstick, 12.0
        ),
        slower(
            "sum of squared distances of level 0 : FAISS's",
            [objective[0] for objective in found["ours"]],
            [objective[0] for objective in found["yardstick"]],
            1.005,
            "",
            1.0,
        ),
    ]
    if torch.device(device).type == "cpu":
        table.extend(_ranks(IMAGES[scale], PROTOTYPES, repeats))
        table.extend(_memory(number, PROTOTYPES[0]) for number in BUDGET_IMAGES)
    return table


def _objective(features: Tensor, hierarchy: PrototypeHierarchy) -> list[float]:
    """Sum of squared distances of level 0 to the members' means."""
    assignment = hierarchy.assignment.long()
    sums = torch.zeros(
        hierarchy.num_prototypes[0], features.shape[1], dtype=torch.float64, device=features.device
    )
    sums.index_add_(0, assignment, features.double())
    counts = torch.bincount(assignment, minlength=len(sums))
    # Σ|x − mean|² = Σ|x|² − n |mean|², in float64
    return [
        float(
            features.double().square().sum()
            - (sums.square().sum(dim=1) / counts.clamp(min=1)).sum()
        )
    ]


def _ranks(num_rows: int, num_prototypes: Sequence[int], repeats: int) -> list[Row]:
    """Two processes with one thread each against one process with one thread: how long they take,
    and how much of it they work. Of the second other programs on the machine take nothing away.
    """
    worked: dict[str, list[float]] = {"one": [], "two": []}

    def run(name: str, world_size: int) -> float:
        wall, cpu = _on_ranks(world_size, num_rows, num_prototypes)
        worked[name].append(cpu)
        return wall

    times = in_turns({"one": lambda: run("one", 1), "two": lambda: run("two", 2)}, repeats)
    what = "1 process : 2 processes, one thread each, the same k-means"
    return [
        faster(what, times["two"], times["one"], 1.7),
        faster(f"{what}, seconds of work of the busiest", worked["two"], worked["one"], None),
    ]


def _on_ranks(world_size: int, num_rows: int, num_prototypes: Sequence[int]) -> tuple[float, float]:
    """Seconds, and seconds of work, of the slowest rank, without the start of the processes."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(
            _cluster_a_shard, args=(world_size, folder, num_rows, num_prototypes), nprocs=world_size
        )
        ranks = [path.read_text().split() for path in Path(folder).glob("*.seconds")]
        wall, cpu = zip(*((float(wall), float(cpu)) for wall, cpu in ranks), strict=True)
        return max(wall), max(cpu)


def _cluster_a_shard(
    rank: int, world_size: int, folder: str, num_rows: int, num_prototypes: Sequence[int]
) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size
    )
    features = mixture(num_rows)[shard_slice(num_rows)].clone()
    hierarchical_kmeans(features[:1000], (20, 10), backend="torch")  # warm up
    torch.distributed.barrier()
    began = time.process_time()
    wall = seconds(lambda: hierarchical_kmeans(features, num_prototypes, backend="torch"))
    Path(folder, f"{rank}.seconds").write_text(f"{wall} {time.process_time() - began}")
    torch.distributed.destroy_process_group()


def _memory(num_rows: int, num_clusters: int) -> Row:
    """Peak of the resident memory beyond that of a process with the features and its libraries."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_write_peak, args=(folder, num_rows, num_clusters), nprocs=1)
        peak = float(Path(folder, "peak").read_text())
    return absolute(
        f"memory beyond {num_rows} × {DIM} features, k-means with a budget of {BUDGET_MB} MiB",
        [peak],
        BUDGET_MB,
        "MiB",
    )


def _write_peak(_: int, folder: str, num_rows: int, num_clusters: int) -> None:
    features = mixture(num_rows)
    kmeans(
        features[:500], 20, num_iterations=2
    )  # libraries take their own memory at the first call
    forget_peak()
    before = resident_mib()
    kmeans(features, num_clusters, num_iterations=2, memory_mb=BUDGET_MB)
    Path(folder, "peak").write_text(str(peak_mib() - before))
