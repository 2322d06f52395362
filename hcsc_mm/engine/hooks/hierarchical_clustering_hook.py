"""When to cluster, what to log, what to save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ...clustering import check_num_prototypes, hierarchical_kmeans, resolve_backend
from ...clustering.statistics import LevelStatistics, hierarchy_statistics
from ...datasets.fingerprint import difference, fingerprint
from ...datasets.first_sample import channels_given
from ...errors import HCSCError
from ...models import HCSC, SplitBatchNorm2d, check_channels, find_hcsc
from ...registry import HOOKS
from ...structures import PrototypeHierarchy
from ...utils.shard import all_gather_rows
from ..checkpoint import check_same_architecture
from ..training_features import TrainingFeatures
from .unreadable_images_hook import UNREADABLE_KEY

CHECKPOINT_KEY = "hierarchical_clustering"


@HOOKS.register_module()
class HierarchicalClusteringHook(Hook):
    """Rebuild the prototype hierarchy at the start of an epoch (HCSC, Algorithm 1).

    Every rank embeds its shard of the training images with the key encoder in eval mode;
    hierarchical k-means makes one hierarchy of all of them, and the model trains on it. Before
    ``warmup_epochs`` there is none, and the model is MoCo v2.

    Args:
        num_prototypes: K_l, finest first, strictly decreasing.
        pipeline: Transforms for extraction, from loading to packing, without randomness: in HCSC
            the centre crop.
        warmup_epochs: Epochs before the first clustering; at least as many as the run has: MoCo v2.
        interval: Epochs from one clustering to the next.
        temperature: Mean of every level's concentrations; by default the head's temperature.
        backend: 'auto', 'torch' or 'faiss', see :func:`hierarchical_kmeans`.
        warm_start: Begin k-means at the last prototypes instead of new seeds.
        seed: Of the clustering; the epoch is added to it.
        features: 'extract': one pass over the training images, before each clustering. 'bank': the
            images' latest keys of the epoch before, which costs next to nothing; only images that
            did not come up in it, and all before the first epoch, are extracted.
        memory_mb: Memory that k-means may use beyond the features, in MiB per rank.
        batch_size: Images per rank and step of extraction; by default twice the training batch.
        num_workers: Of the extraction loader; by default as in training.
        dataset: Config of the data set to cluster, if it is to be another object than the training
            set; it must list the same images.
    """

    priority = "NORMAL"

    def __init__(
        self,
        num_prototypes: Sequence[int],
        pipeline: Sequence[dict],
        warmup_epochs: int = 20,
        interval: int = 1,
        temperature: float | None = None,
        backend: str = "auto",
        warm_start: bool = False,
        seed: int = 0,
        features: str = "extract",
        memory_mb: int = 256,
        batch_size: int | None = None,
        num_workers: int | None = None,
        dataset: dict | None = None,
    ) -> None:
        if warmup_epochs < 0 or interval < 1:
            raise HCSCError(
                f"warmup_epochs={warmup_epochs} must be at least 0 and interval={interval} at "
                "least 1"
            )
        if features not in ("extract", "bank"):
            raise HCSCError(f"features={features!r} is unknown; choose 'extract' or 'bank'")
        resolve_backend(backend)
        check_num_prototypes(num_prototypes)
        self.num_prototypes = tuple(num_prototypes)
        self.pipeline = pipeline
        self.warmup_epochs = warmup_epochs
        self.interval = interval
        self.temperature = temperature
        self.backend = backend
        self.warm_start = warm_start
        self.seed = seed
        self.features = features
        self.memory_mb = memory_mb
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.dataset = dataset
        self._last_training_seconds: float | None = None
        self._epoch_started = time.perf_counter()
        self._clustered_for = -1  # the last epoch that a hierarchy was built for
        self._images: str | None = None  # fingerprint of the training set
        self._saved_bank: Tensor | None = None  # of the checkpoint that the run resumes from
        self._bank_to_save: Tensor | None = None  # for the checkpoint that is being written

    def before_train(self, runner: Runner) -> None:
        """Refuse, before anything is written, what cannot be trained or clustered."""
        model, loader = find_model(runner), runner.train_dataloader
        if not isinstance(loader.dataset, BaseDataset):
            raise HCSCError(
                f"the training set is a {type(loader.dataset).__name__}, whose sample_idx does not "
                "tell its images apart; "
                "use one data set derived from mmengine's BaseDataset (a list of files can join "
                "several folders)"
            )
        check_channels(model, channels_given(loader.dataset))
        num_samples = len(loader.dataset)
        self._images = fingerprint(loader.dataset)
        check_num_prototypes(self.num_prototypes, num_samples)
        total_batch = loader.batch_size * get_world_size()
        if total_batch > model.queue.length:
            raise HCSCError(
                f"total batch {loader.batch_size} × {get_world_size()} = {total_batch} exceeds the "
                f"queue length {model.queue.length}; "
                f"set model.queue_len to at least {total_batch} or use a smaller batch"
            )
        if len(loader) == 0:
            raise HCSCError(
                f"no batch of {total_batch} fits into the {num_samples} training images; use a "
                "smaller batch"
            )
        self._source = TrainingFeatures(
            runner,
            model,
            self.pipeline,
            self.features == "bank",
            self.batch_size,
            self.num_workers,
            self.dataset,
        )
        if self._saved_bank is not None and self._source.bank is not None:
            self._source.bank.restore(self._saved_bank)
        self._saved_bank = None
        shares_statistics = any(
            isinstance(module, _BatchNorm) and not isinstance(module, SplitBatchNorm2d)
            for module in model.modules()
        )
        if get_world_size() == 1 and shares_statistics:
            runner.logger.warning(
                "On one process query and key share their batch-norm statistics, which lets the "
                "network cheat (MoCo, Section 3.3). "
                "Use norm_cfg=dict(type='hcsc_mm.SplitBatchNorm2d', num_splits=8) in the backbone."
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse weights that do not fit; on resume take up the hierarchy where the checkpoint left
        it.
        """
        model, saved = find_model(runner), checkpoint.get(CHECKPOINT_KEY)
        check_same_architecture(
            model, checkpoint.get("state_dict", checkpoint), complete=runner._resume
        )
        if not runner._resume or saved is None:
            return
        num_samples = len(runner.train_dataloader.dataset)
        if saved["num_samples"] != num_samples:
            raise HCSCError(
                f"the checkpoint was trained on {saved['num_samples']} images, the data set has "
                f"{num_samples} now; "
                "restore the data set, or start anew with load_from instead of resume"
            )
        images = saved.get("images")  # checkpoints of 0.1.0 have none
        other = None if images is None else difference(images, runner.train_dataloader.dataset)
        if other is not None:
            raise HCSCError(
                f"the checkpoint was trained on {other}, than the {num_samples} of the data set "
                "now; restore the data set, or start anew with load_from instead of resume"
            )
        self._clustered_for, self._saved_bank = saved.get("epoch", -1), saved.get("bank")
        if saved["hierarchy"] is not None:
            model.set_hierarchy(PrototypeHierarchy.from_state_dict(saved["hierarchy"]))

    def gather_for_checkpoint(self, runner: Runner) -> None:
        """Called on all ranks by ResumableCheckpointHook, ahead of :meth:`before_save_checkpoint`,
        which only the first one runs.
        """
        self._bank_to_save = None if self._source.bank is None else self._source.bank.gather()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the hierarchy beside the weights: it cannot be rebuilt from weights that have moved
        on.
        """
        hierarchy = find_model(runner).hierarchy
        checkpoint[CHECKPOINT_KEY] = {
            "num_samples": len(runner.train_dataloader.dataset),
            "images": self._images,
            "epoch": self._clustered_for,
            "bank": self._bank_to_save,  # empty at the end of an epoch
            "hierarchy": None if hierarchy is None else hierarchy.to("cpu").state_dict(),
        }

    def before_train_epoch(self, runner: Runner) -> None:
        if self._is_due(runner.epoch) and self._clustered_for != runner.epoch:
            self.cluster(runner, runner.epoch)
        self._epoch_started = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        if self._records(runner):
            self._source.record(data_batch)

    def after_train_epoch(self, runner: Runner) -> None:
        self._last_training_seconds = time.perf_counter() - self._epoch_started
        # Before the checkpoint, which holds the first rank's buffers: a resumed run has to cluster
        # with the same ones.
        find_model(runner).momentum_encoder.synchronize_statistics()
        # Before the checkpoint, too: it then holds the next epoch's hierarchy, and not the bank,
        # which is many times larger.
        if self._records(runner):
            self.cluster(runner, runner.epoch + 1)

    def _is_due(self, epoch: int) -> bool:
        return epoch >= self.warmup_epochs and (epoch - self.warmup_epochs) % self.interval == 0

    def _records(self, runner: Runner) -> bool:
        """Whether this epoch's keys are the features of the next one's clustering."""
        return (
            self.features == "bank"
            and self._is_due(runner.epoch + 1)
            and runner.epoch + 1 < runner.max_epochs
        )

    def cluster(self, runner: Runner, epoch: int) -> PrototypeHierarchy:
        """Extract, cluster, hand the hierarchy for an epoch to the model, and log."""
        model = find_model(runner)
        start = time.perf_counter()
        features = self._source.compute()
        extracted = time.perf_counter()
        previous = model.hierarchy
        hierarchy = self._build(runner, model, features, epoch)
        model.set_hierarchy(hierarchy)
        self._clustered_for = epoch
        if self._source.bank is not None:
            self._source.bank.clear()
        clustered = time.perf_counter()
        levels = hierarchy_statistics(
            model.hierarchy, previous, model.queue.keys, model.queue.log_partition
        )
        self._report(runner, epoch, extracted - start, clustered - extracted, levels)
        return hierarchy

    def _build(
        self, runner: Runner, model: HCSC, features: Tensor, epoch: int
    ) -> PrototypeHierarchy:
        """Cluster the images that could be read; the others never come up in training and get
        prototype 0.
        """
        readable = torch.isfinite(features[:, 0])
        hierarchy = hierarchical_kmeans(
            features
            if bool(readable.all())
            else features[readable],  # no copy of all features without need
            self.num_prototypes,
            temperature=model.head.temperature if self.temperature is None else self.temperature,
            backend=self.backend,
            warm_start=model.hierarchy if self.warm_start else None,
            seed=self.seed + epoch,
            memory_mb=self.memory_mb,
        )
        everywhere = all_gather_rows(
            readable.byte()
        ).bool()  # not every communication back end knows bool
        runner.message_hub.update_info(
            UNREADABLE_KEY, (~everywhere).nonzero().squeeze(1).tolist(), resumed=False
        )
        if bool(everywhere.all()):
            return hierarchy
        assignment = torch.zeros(len(everywhere), dtype=torch.int32, device=features.device)
        assignment[everywhere] = hierarchy.assignment
        return replace(hierarchy, assignment=assignment)

    def _report(
        self,
        runner: Runner,
        epoch: int,
        extraction: float,
        clustering: float,
        levels: list[LevelStatistics],
    ) -> None:
        """One line for the log, the same numbers for TensorBoard and the like."""
        overhead = extraction + clustering
        scalars = {"hcsc/extraction_seconds": extraction, "hcsc/clustering_seconds": clustering}
        share = ""
        if self._last_training_seconds is not None:
            scalars["hcsc/share_of_epoch"] = overhead / (overhead + self._last_training_seconds)
            share = f" ({scalars['hcsc/share_of_epoch']:.1%} of an epoch)"
        for level, statistics in enumerate(levels):
            scalars.update(
                {f"hcsc/level{level}/{name}": value for name, value in statistics.scalars().items()}
            )
        described = "; ".join(
            f"level {level}: {statistics}" for level, statistics in enumerate(levels)
        )
        runner.logger.info(
            f"Clustering before epoch {epoch + 1}: extraction {extraction:.2f} s, k-means "
            f"{clustering:.2f} s{share}; {described}"
        )
        runner.visualizer.add_scalars(scalars, step=runner.iter)


def find_model(runner: Runner) -> HCSC:
    """The HCSC model inside whatever wraps it.

    Raises:
        HCSCError: the runner trains another model.
    """
    model = find_hcsc(runner.model)
    if model is None:
        raise HCSCError("HierarchicalClusteringHook needs a model of type hcsc_mm.HCSC")
    return model
