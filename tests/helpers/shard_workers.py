"""What two ranks do in the tests of sharded clusters; like distributed_workers, new processes
import it by name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from cases import random_hierarchy, tiny_hcsc, unit_rows
from distributed_workers import NUM_ROWS, message_of, shard_of
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from mmpretrain.structures import DataSample
from tiny import folder_config, tiny_config, train
from torch import Tensor
from torch.utils.data import Sampler

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.clustering.independent_kmeans import independent_kmeans
from hcsc_mm.clustering.statistics import hierarchy_statistics
from hcsc_mm.datasets import OwnShardSampler
from hcsc_mm.engine.training_features import TrainingFeatures
from hcsc_mm.models import ClusterSelection, MomentumContrast
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.utils.shard import all_gather_rows, shard_slice

FROZEN = {"model__backbone__frozen_stages": 4, "model__backbone__norm_eval": True}


@DATA_SAMPLERS.register_module()
class OrderOfShards(Sampler):
    """The order of an OwnShardSampler, which the clustering hook does not take for one: each rank
    keeps the prototypes of all images.
    """

    def __init__(self, dataset, seed=None):
        self._own = OwnShardSampler(dataset, seed=seed)

    def __iter__(self):
        return iter(self._own)

    def __len__(self):
        return len(self._own)

    def set_epoch(self, epoch):
        self._own.set_epoch(epoch)


class KeepCopies(Hook):
    """Copies of the checkpoints within epochs, with the files beside them, before they go."""

    priority = "LOWEST"

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if is_main_process():
            for path in Path(runner.work_dir).glob(f"iter_{runner.iter + 1}.pth*"):
                self.folder.mkdir(exist_ok=True)
                shutil.copy(path, self.folder / path.name)


@dataclass
class Training:
    """A small run on all ranks, told by its name; 101 digits, or pictures of a folder.

    The last hierarchy is given gathered, and as this rank has it.
    """

    name: str
    work_dir: Path
    sampler: str = "hcsc_mm.OwnShardSampler"
    images: Path | None = None
    copies: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self) -> dict[str, Any]:
        if self.images is None:
            cfg = tiny_config(self.work_dir)
            cfg.train_dataloader.dataset.indices = NUM_ROWS
        else:
            cfg = folder_config(self.work_dir, self.images, unreadable="skip")
            cfg.train_dataloader.batch_size = 4
            cfg.default_hooks.unreadable.max_share = 0.5
        cfg.launcher = "pytorch"
        os.environ["LOCAL_RANK"] = str(get_rank())
        cfg.train_dataloader.sampler = dict(type=self.sampler)
        if self.copies is not None:
            cfg.custom_hooks = [dict(type=KeepCopies, folder=str(self.copies))]
        cfg.merge_from_dict({key.replace("__", "."): v for key, v in self.options.items()})
        runner, record = train(cfg)
        model = runner.model.module
        own = model.hierarchy
        whole = own
        if not own.is_whole:
            whole = own.holding([all_gather_rows(rows) for rows in own.assignments], 0)
        return {
            "losses": record.losses,
            "weights": {name: value.cpu() for name, value in model.state_dict().items()},
            "rows": (own.own.start, own.own.stop),
            "is_whole": own.is_whole,
            "sizes": own.sizes(),
            "tree": whole.state_dict(),
            "unreadable": runner.message_hub.runtime_info.get("hcsc_unreadable"),
        }


def grow_sharded_trees() -> dict[str, Any]:
    """Each rank with the prototypes of its own rows, beside the whole tree."""
    features = shard_of(unit_rows(NUM_ROWS, 8))
    whole = hierarchical_kmeans(features, (30, 12, 3))
    own = hierarchical_kmeans(features, (30, 12, 3), sharded=True)
    flat = independent_kmeans(features, (12, 30), sharded=True)
    images = torch.arange(own.own.start, own.own.stop)
    foreign = (own.own.stop) % NUM_ROWS
    return {
        "whole": whole.state_dict(),
        "own": own.state_dict(),
        "rows": (own.own.start, own.own.stop),
        "number": (own.num_samples, flat.num_samples),
        "sizes": (own.sizes(), whole.sizes()),
        "paths": (own.path(images), whole.path(images)),
        "flat": [all_gather_rows(rows) for rows in flat.assignments],
        "foreign": message_of(lambda: own.path([foreign])),
        "members": message_of(lambda: own.members(0, 0)),
    }


def count_who_moved() -> dict[str, Any]:
    """Statistics of two trees over the same images, whole and in shards."""
    before, after = (random_hierarchy(NUM_ROWS, seed=seed) for seed in (0, 1))
    rows = shard_slice(NUM_ROWS)
    parts = [tree.holding([tree.assignment[rows]], rows.start) for tree in (before, after)]
    return {
        "whole": [vars(level) for level in hierarchy_statistics(after, before)],
        "shards": [vars(level) for level in hierarchy_statistics(parts[1], parts[0])],
    }


def draw_orders() -> dict[str, Any]:
    """Two epochs of 101 images, and the second again by another object."""
    sampler = OwnShardSampler(range(NUM_ROWS), seed=3)
    orders = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    again = OwnShardSampler(range(NUM_ROWS), seed=3)
    again.set_epoch(1)
    return {"orders": orders, "again": list(again), "length": len(sampler)}


def renew_own_keys() -> dict[str, Any]:
    """Three HCSC steps, the new keys' denominators by each rank, or by the ranks together."""
    found = {}
    for name, limit in (("each", 10**9), ("together", 0)):
        torch.manual_seed(0)
        model = tiny_hcsc(batch_norm=False, selection=ClusterSelection(share_above=limit))
        model.init_weights()
        model.set_hierarchy(random_hierarchy(dim=8))
        rows = shard_slice(8)
        for step in range(3):
            query, key = torch.randn(2, 8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            samples = [DataSample(metainfo={"sample_idx": 3 * index}) for index in range(8)]
            torch.manual_seed(100 * step + get_rank())
            losses = model.loss([query[rows], key[rows]], samples[rows])
        found[name] = {
            "log_partition": model.selection.resume_state()["log_partition"],
            "keys": model.queue.keys.clone(),
            "loss": sum(v for n, v in losses.items() if "loss" in n).item(),
        }
    return found


def move(weights: Iterable[Tensor]) -> None:
    """Another value for each of them."""
    with torch.no_grad():
        for weight in weights:
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.manual_seed(0)))


def images_seen(model: MomentumContrast) -> list[int]:
    """Numbers of images that the key encoder's backbone is given from now on."""
    seen: list[int] = []
    backbone = model.momentum_encoder.encoder[0]
    backbone.register_forward_hook(lambda _, given, output: seen.append(len(given[0])))
    return seen


def keep_features() -> dict[str, Any]:
    """Two clusterings' features by a frozen backbone, of all ranks, and the images that it saw."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = tiny_config(Path(folder), **FROZEN)
        runner = build_runner(cfg)
    pipeline = cfg.default_hooks.clustering.pipeline
    source, seen = TrainingFeatures(runner, runner.model, pipeline), images_seen(runner.model)
    first, first_seen = source.compute(), sum(seen)
    move(runner.model.momentum_encoder.encoder[1].parameters())
    second = source.compute()
    return {
        "first": all_gather_rows(first),
        "second": all_gather_rows(second),
        "seen": (first_seen, sum(seen) - first_seen),
    }
