"""What tests let several processes do, and how they start them.

A worker is a function of this module: new processes import it by name. It runs on every rank at
once and returns what the test compares. Ranks are forked from a server that has imported the
package once, which takes three seconds of a core, and has done nothing else.
"""

import os
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from cases import random_hierarchy, tiny_hcsc, unit_rows
from mmengine.dataset import default_collate
from mmengine.dist import get_dist_info, get_rank, get_world_size
from mmpretrain.structures import DataSample
from torch import Tensor, multiprocessing, nn
from torch.utils.data import DataLoader, Dataset

import hcsc_mm  # noqa: F401  first: it makes torchvision importable beside a torch of another build
from hcsc_mm import HCSCError
from hcsc_mm.clustering import faiss_kmeans, hierarchical_kmeans, kmeans
from hcsc_mm.datasets import ShardSampler
from hcsc_mm.engine.hooks.tree_picture_hook import _nearest
from hcsc_mm.evaluation import KNN, Clustering, FeatureSet, LinearSVM, LowShotSVM, extract_features
from hcsc_mm.models import MomentumEncoder
from hcsc_mm.models.memories import KeyBank
from hcsc_mm.models.utils.batch_shuffle import shuffle_over_ranks, unshuffle_over_ranks
from hcsc_mm.utils.ranks import report_failure, wait_for_ranks
from hcsc_mm.utils.shard import all_gather_rows, shard_slice, total_rows

START_AND_RUN_SECONDS = 150


def run_on_ranks(
    workers: list[Callable[[], Any]],
    world_size: int,
    folder: Path,
    seconds: float = START_AND_RUN_SECONDS,
) -> list[dict[str, Any]]:
    """Run the workers in turn on gloo ranks; what each returned, by its name, per rank.

    They are ended after so many seconds, which say no more than that they hang.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hcsc_mm"])
    ranks = [
        context.Process(
            target=_rank_main, args=(workers, rank, world_size, str(folder)), daemon=True
        )
        for rank in range(world_size)
    ]
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        for rank in ranks:
            rank.start()
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
    deadline = time.monotonic() + seconds
    while (
        any(rank.is_alive() for rank in ranks)
        and time.monotonic() < deadline
        and not any(rank.exitcode for rank in ranks)
    ):
        time.sleep(0.05)
    late = [number for number, rank in enumerate(ranks) if rank.is_alive()]
    for rank in ranks:
        if rank.is_alive():
            rank.terminate()
        rank.join()
    errors = [path.read_text() for path in sorted(folder.glob("error*.txt"))]
    if errors or late:
        raise RuntimeError("\n".join([*errors, f"ranks {late} did not end"] if late else errors))
    return [
        torch.load(folder / f"rank{rank}.pth", weights_only=False) for rank in range(world_size)
    ]


def _rank_main(workers: list[Callable[[], Any]], rank: int, world_size: int, folder: str) -> None:
    try:
        torch.set_num_threads(1)
        torch.distributed.init_process_group(
            "gloo",
            init_method=f"file://{folder}/rendezvous",
            rank=rank,
            world_size=world_size,
            timeout=timedelta(seconds=30),
        )
        torch.save({worker.__name__: worker() for worker in workers}, f"{folder}/rank{rank}.pth")
        torch.distributed.destroy_process_group()
    except BaseException:
        Path(folder, f"error{rank}.txt").write_text(f"rank {rank}:\n{traceback.format_exc()}")
        raise


def message_of(action: Callable[[], Any]) -> str | None:
    """The message of the HCSCError that an action ends with, None if it ends well."""
    try:
        action()
    except HCSCError as error:
        return str(error)
    return None


# Each worker below gives on one process what the ranks have to agree with.

NUM_ROWS = 101


def shard_of(rows: Tensor) -> Tensor:
    return rows[shard_slice(len(rows))]


def cluster_shards() -> dict[str, dict[str, Tensor]]:
    features = shard_of(unit_rows(NUM_ROWS, 8))
    results = {
        "torch": kmeans(features, 12, num_restarts=3),
        "faiss": faiss_kmeans(features, 12, num_restarts=3),
    }
    start = torch.cat([unit_rows(2, 8, seed=2), 1e3 * unit_rows(4, 8, seed=5)])
    results["torch with empty clusters"] = kmeans(features, 6, init=start)
    return {
        name: {
            "centroids": result.centroids,
            "assignment": all_gather_rows(result.assignment),
            "squared_distance": all_gather_rows(result.squared_distance),
            "rows": len(result.assignment),
        }
        for name, result in results.items()
    }


def cluster_uneven_shards() -> dict[str, Tensor]:
    """As where some images could not be read: the first rank has 90 of the 101 rows."""
    rows, (rank, world_size) = unit_rows(NUM_ROWS, 8), get_dist_info()
    mine = rows if world_size == 1 else rows.split([90, 11])[rank]
    return {"centroids": kmeans(mine, 40, num_iterations=0, num_restarts=1).centroids, "rows": rows}


def cluster_large_problems() -> dict[str, dict[str, Tensor]]:
    """Of more than 4096 points: restarts compared on a sample, and restarts on all rows."""
    return {
        name: kmeans(shard_of(unit_rows(number, 8)), clusters, num_iterations=4)._asdict()
        for name, number, clusters in (("a sample", 6500, 1500), ("all rows", 5000, 1300))
    }


def cluster_one_row() -> dict[str, Tensor]:
    """The second rank has no row at all."""
    return kmeans(shard_of(unit_rows(1, 8)), 1)._asdict()


def cluster_shards_into_a_tree() -> dict[str, dict]:
    features = shard_of(unit_rows(NUM_ROWS, 8))
    return {
        backend: hierarchical_kmeans(features, (30, 12, 3), backend=backend).state_dict()
        for backend in ("torch", "faiss")
    }


def cluster_nan_on_the_last_rank() -> dict[str, str | None]:
    features = unit_rows(NUM_ROWS, 8)
    features[-1, 0] = float("nan")
    return {
        name: message_of(lambda cluster=cluster: cluster(shard_of(features), 5))
        for name, cluster in (("torch", kmeans), ("faiss", faiss_kmeans))
    }


def gather_rows() -> dict[str, Any]:
    rows = shard_of(torch.arange(7 * 3).view(7, 3))
    uneven = torch.full((get_rank() * 3,), get_rank(), dtype=torch.int32)  # none on rank 0
    return {
        "matrix": all_gather_rows(rows),
        "total": total_rows(rows),
        "uneven": all_gather_rows(uneven),
    }


def bank_of_both_ranks() -> dict[str, Tensor]:
    """Nine images; each rank sees four of the first eight, not those of its shard."""
    bank, images = KeyBank(9, 3, torch.device("cpu")), torch.tensor([7, 0, 5, 2, 1, 6, 3, 4])
    mine = images[4 * get_rank() : 4 * get_rank() + 4]
    bank.write(mine.tolist(), images.float()[:, None].expand(8, 3))
    other = KeyBank(9, 3, torch.device("cpu"))
    other.restore(bank.gather())
    return {
        "shard": bank.features,
        "gathered": bank.gather(),
        "restored": all_gather_rows(other.features),
    }


class Pictures(Dataset):
    """Random images whose features tell them apart; those in ``broken`` are NaN."""

    def __init__(self, number: int, broken: tuple[int, ...] = ()) -> None:
        self.images = torch.randn(number, 3, 4, 4, generator=torch.Generator().manual_seed(1))
        for index in broken:
            self.images[index] = float("nan")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        return {
            "inputs": self.images[index],
            "data_samples": DataSample(metainfo={"sample_idx": index}),
        }

    def describe(self, index: int) -> str:
        return f"sample {index} (folder/{index}.jpg)"


def encode(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :5]


def extract_shard(dataset: Dataset, sampler=None) -> Tensor:
    loader = DataLoader(
        dataset, batch_size=4, sampler=sampler or ShardSampler(dataset), collate_fn=default_collate
    )
    return extract_features(encode, loader, len(dataset))


def extract_shards() -> dict[str, Any]:
    dataset = Pictures(13)
    features = extract_shard(dataset)
    return {"rows": len(features), "features": all_gather_rows(features)}


def extract_with_problems() -> dict[str, str | None]:
    everything = list(range(13))
    last_is_missing = everything[shard_slice(13)][
        : -1 if get_rank() == get_world_size() - 1 else None
    ]
    return {
        "nan": message_of(lambda: extract_shard(Pictures(13, broken=(12,)))),
        "missing": message_of(lambda: extract_shard(Pictures(13), sampler=last_is_missing)),
        "foreign": message_of(
            lambda: extract_shard(
                Pictures(13), sampler=everything[shard_slice(13)] if get_rank() == 0 else everything
            )
        ),
    }


def extract_one_image() -> str | None:
    """The second rank has no image at all."""
    return message_of(lambda: extract_shard(Pictures(1)))


def synchronize_statistics() -> dict[str, Tensor]:
    torch.manual_seed(0)
    layer = MomentumEncoder(nn.Sequential(nn.BatchNorm1d(3, momentum=1.0)))
    rows = (
        torch.randn(16, 3, dtype=torch.float32) * torch.tensor([1.0, 2.0, 3.0])
        + torch.arange(16.0)[:, None]
    )
    layer.train()(shard_of(rows))
    layer.synchronize_statistics()
    return {
        "mean": layer.encoder[0].running_mean,
        "var": layer.encoder[0].running_var,
        "rows": rows,
    }


def train_one_step(batch_norm: bool = False) -> dict[str, Any]:
    """One HCSC step of 4 images a rank; with a batch norm keys are shuffled over the ranks."""
    torch.manual_seed(0)
    model = tiny_hcsc(batch_norm)
    model.init_weights()
    model.set_hierarchy(random_hierarchy(dim=8))
    query, key = torch.randn(2, 8, 3, 6, 6)
    samples = [DataSample(metainfo={"sample_idx": 3 * index}) for index in range(8)]
    rows = shard_slice(8)
    torch.manual_seed(100 + get_rank())  # ranks draw differently, as in training
    losses = model.loss([query[rows], key[rows]], samples[rows])
    return {
        "keys": model.queue.keys,
        "pointer": model.queue.pointer,
        "log_partition": model.selection.resume_state()["log_partition"],
        "loss": sum(value for name, value in losses.items() if "loss" in name).item(),
        "expected_keys": model.encode_key(key),
    }


def shuffle_and_back() -> dict[str, Tensor]:
    """Eight rows, four a rank, exchanged at random and brought back."""
    torch.manual_seed(100 + get_rank())
    rows = torch.arange(8.0)[:, None]
    shuffled, order = shuffle_over_ranks(rows[shard_slice(8)])
    own, everyone = unshuffle_over_ranks(shuffled, order)
    return {"shuffled": shuffled, "own": own, "all": everyone}


def train_one_step_with_batch_norm() -> dict[str, Any]:
    return train_one_step(batch_norm=True)


def wait_for_a_late_rank() -> float:
    """The last rank comes late, twice; how long each rank was there before it."""
    start = time.monotonic()
    for _ in range(2):
        if get_rank() == get_world_size() - 1:
            time.sleep(1)
        wait_for_ranks("a stage")
    return time.monotonic() - start


def wait_in_vain() -> str | None:
    """The last rank never comes."""
    if get_rank() == get_world_size() - 1:
        time.sleep(2)  # it holds out as long as the others wait
        return None
    return message_of(lambda: wait_for_ranks("feature extraction", minutes=0.01))


def wait_for_a_rank_that_failed() -> str | None:
    """The last rank fails instead of coming."""
    if get_rank() == get_world_size() - 1:
        report_failure("HCSCError: cannot read image a.png")
        time.sleep(1)
        return report_failure("a second word")
    message = message_of(lambda: wait_for_ranks("clustering", minutes=1))
    return f"{message} | {report_failure('a consequence')}"


def feature_sets() -> tuple[FeatureSet, FeatureSet]:
    """Training and test images, of which every rank has its shard; five classes of two kinds."""
    sets = []
    for seed, number in enumerate((61, 23)):
        labels = torch.arange(number) % 5
        features = 0.6 * unit_rows(number, 12, seed=seed) + 0.7 * unit_rows(5, 12, seed=7)[labels]
        mine = shard_slice(number)
        sets.append(
            FeatureSet(
                features[mine],
                torch.arange(number)[mine],
                labels[mine],
                labels[mine] // 3,
                number,
                None,
            )
        )
    return sets[0], sets[1]


def measure_features() -> dict[str, float]:
    """What the metrics of the feature loop find."""
    train, test = feature_sets()
    metrics = [
        KNN(k=(1, 5, 40)),
        LinearSVM(costs=(0.1, 1.0)),
        LowShotSVM(shots=(1, 3), num_draws=2),
        Clustering(num_clusters=(4, 9)),
    ]
    return {
        name: value for metric in metrics for name, value in metric.evaluate(test, train).items()
    }


def nearest_images() -> Tensor:
    """Of three prototypes among eleven images, the first of which cannot be read."""
    features = unit_rows(11, 8)
    features[0] = torch.nan
    return _nearest(shard_of(features), unit_rows(3, 8, seed=1), 4)
