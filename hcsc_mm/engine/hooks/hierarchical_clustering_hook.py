"""When to cluster, and to whom the result goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from ...clustering import check_num_prototypes, resolve_backend
from ...clustering.kmeans import check_seeding
from ...clustering.report import ClusteringTimes, report
from ...datasets.first_sample import check_array
from ...errors import HCSCError
from ...registry import HOOKS
from ...runtime import BuildsClusters, GathersForCheckpoint, KeepsShards, LoadsImages
from ...runtime.hooks.progress_hook import note_seconds
from ...runtime.hooks.unreadable_images_hook import UNREADABLE_KEY
from ...runtime.train_loop import refuse_iteration_loop
from ...structures import ClustersImages, PrototypeHierarchy
from ...structures.checkpoint_entry import CHECKPOINT_KEY, weights_digest
from ...utils.numbers import check_positive, check_whole
from ...utils.random_states import host_generators_kept
from ..clustering_model import find_model
from ..readable_images import cluster_readable
from ..saved_clusters import ClustersToSave, SavedClusters
from ..sees_clusterings import Clustering, SeesClusterings
from ..training_features import TrainingFeatures


@HOOKS.register_module()
class HierarchicalClusteringHook(
    Hook, GathersForCheckpoint, KeepsShards, LoadsImages, BuildsClusters
):
    """Rebuild the prototype hierarchy at the start of an epoch (HCSC, Algorithm 1).

    Every rank embeds its shard of the training images with the key encoder in eval mode; the model
    clusters all of them and trains on the result. Before ``warmup_epochs`` there is none, and the
    model is MoCo v2. Works with every model that is a :class:`ClustersImages`.

    Args:
        num_prototypes: K_l, whole numbers of at least 2, finest first; for a tree they decrease
            strictly.
        pipeline: Transforms for extraction, from loading to packing, without randomness: in HCSC
            the centre crop.
        warmup_epochs: Epochs before the first clustering, 20 as in the paper by default; at least
            as many as the run has: MoCo v2, with a warning. A run that resumes within them leaves
            out the clusters of its checkpoint; one that resumes after them without any, or with
            other numbers of them, clusters at once.
        interval: Epochs from one clustering to the next, 1 by default.
        temperature: Mean of every level's concentrations, above 0; by default the head's.
        backend: What k-means runs on, 'torch' (the default) or 'faiss', see
            :func:`hierarchical_kmeans`.
        warm_start: Begin k-means at the last prototypes instead of new seeds. Off by default.
        seed: First seed of k-means; the epoch is added to it. 0 by default.
        seeding: What k-means begins with: 'k-means++' (the default), 'random' rows and five full
            restarts, as in the released code, from which the published numbers come, or 'ward'; see
            :func:`kmeans`.
        features: 'extract' (the default): one pass over the training images before each
            clustering. 'bank': the images' latest keys of the epoch before, which costs next to
            nothing; only images that did not come up in it, and all before the first epoch, are
            extracted.
        final: End the run with a clustering of its final weights, which goes into the last
            checkpoint beside the one that was trained with, and leaves the training's numbers
            alone. On by default.
        memory_mb: Memory that k-means may use beyond the features, in MiB per rank; 256 by default.
        batch_size: Images per rank and step of extraction; by default twice the training batch.
        num_workers: Workers of the loader that embeds the images; by default as many as in
            training.
        dataset: Config of the data set to cluster, if it is to be another object than the training
            set; it must list the same images.
        shard_checkpoint_above: Images above which a run whose sampler is an
            :class:`OwnShardSampler` saves the images' prototypes (and the bank) in a file per rank
            beside the checkpoint, instead of all in it; 100 million by default, 400 MB.
    """

    priority = "NORMAL"

    def __init__(
        self,
        num_prototypes: Sequence[int],
        pipeline: Sequence[dict],
        warmup_epochs: int = 20,
        interval: int = 1,
        temperature: float | None = None,
        backend: str = "torch",
        warm_start: bool = False,
        seed: int = 0,
        seeding: str = "k-means++",
        features: str = "extract",
        final: bool = True,
        memory_mb: int = 256,
        batch_size: int | None = None,
        num_workers: int | None = None,
        dataset: dict | None = None,
        shard_checkpoint_above: int = 100_000_000,
    ) -> None:
        name = type(self).__name__
        check_whole(
            name,
            0,
            warmup_epochs=warmup_epochs,
            seed=seed,
            memory_mb=memory_mb,
            num_workers=num_workers,
        )
        check_whole(name, 1, interval=interval, batch_size=batch_size)
        check_positive(name, temperature=temperature)
        if features not in ("extract", "bank"):
            raise HCSCError(f"features={features!r} is unknown; choose 'extract' or 'bank'")
        check_num_prototypes(num_prototypes)
        self.num_prototypes = tuple(num_prototypes)
        self.warmup_epochs = warmup_epochs
        self.interval = interval
        self.temperature = temperature
        self.warm_start = warm_start
        self.seed = seed
        self.features = features
        self.final = final
        self.shard_checkpoint_above = shard_checkpoint_above
        self._kmeans = {
            "backend": resolve_backend(backend),
            "seeding": check_seeding(seeding, max(num_prototypes)),
            "memory_mb": memory_mb,
        }
        self._extraction = {
            "pipeline": pipeline,
            "use_bank": features == "bank",
            "batch_size": batch_size,
            "num_workers": num_workers,
            "dataset": dataset,
        }
        self._times = ClusteringTimes()
        self._saved: SavedClusters | None = None  # of the checkpoint that the run resumes from

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._saved = SavedClusters.of(checkpoint, runner._load_from)

    def before_train(self, runner: Runner) -> None:
        """Refuse, before anything is written, what cannot be clustered; take up a saved hierarchy.

        Raises:
            HCSCError: the model clusters nothing, the loop has no epochs, the images are too few
                for the prototypes, of other channels than the model takes, or others than those of
                the checkpoint.
        """
        model = find_model(runner)
        without = "leave it out with default_hooks.clustering=None, which leaves MoCo v2"
        refuse_iteration_loop(runner, "HierarchicalClusteringHook", without)
        check_num_prototypes(self.num_prototypes, len(runner.train_dataloader.dataset))
        if self.warmup_epochs >= runner.max_epochs:
            runner.logger.warning(
                f"warmup_epochs={self.warmup_epochs} of HierarchicalClusteringHook leaves none of "
                f"the {runner.max_epochs} epochs for clustering: this run is MoCo v2."
            )
        self._source = TrainingFeatures(runner, model, **self._extraction)
        self._to_save = ClustersToSave(self._source, self.shard_checkpoint_above)
        check_array(runner.train_dataloader.dataset)
        self._to_save.warn(runner.logger)
        if self._saved is None:
            return
        saved, self._saved = self._saved, None
        entry = saved.entry
        self._source.check_identity(entry)
        if runner.epoch >= self.warmup_epochs:
            hierarchy = saved.clusters(model, self._source)
            if hierarchy is not None:
                model.set_hierarchy(hierarchy)
                self._to_save.trains_with(hierarchy)
            if self._lacks_clusters(model, runner.epoch):  # of the config's numbers
                return
            self._to_save.epoch = entry.get("epoch", -1)
            self._to_save.weights = entry.get("weights")
        elif entry["hierarchy"] is not None:
            runner.logger.warning(
                f"epoch {runner.epoch + 1} lies within warmup_epochs={self.warmup_epochs}: the "
                "clusters of the checkpoint are left out"
            )
        # also within the warm-up, whose last epoch fills it for the first clustering
        saved.restore_bank(self._source)

    def loaders_to_try(self, runner: Runner) -> dict[str, DataLoader]:
        clusters = self.warmup_epochs < runner.max_epochs
        return {"the clustering pipeline": self._source.trial_loader()} if clusters else {}

    def try_batch(self, runner: Runner, batch: Mapping[str, Any]) -> list[str]:
        return self._source.try_batch(batch)

    def gather_for_checkpoint(self, runner: Runner) -> None:
        self._to_save.gather_bank()

    def shard_for_checkpoint(self, runner: Runner) -> dict[str, Any]:
        return self._to_save.of_this_rank()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the hierarchy beside the weights: it cannot be rebuilt once they have moved on."""
        checkpoint[CHECKPOINT_KEY] = self._to_save.entry(find_model(runner).hierarchy)

    def before_train_epoch(self, runner: Runner) -> None:
        due = self._is_due(runner.epoch) or self._lacks_clusters(find_model(runner), runner.epoch)
        if due and self._to_save.epoch != runner.epoch:
            self.cluster(runner, runner.epoch)
        self._times.epoch_begins()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        if self._records(runner):
            self._source.record(data_batch)

    def after_train_epoch(self, runner: Runner) -> None:
        self._times.epoch_ends()
        # Before the checkpoint, which holds the first rank's buffers: a resumed run has to cluster
        # with the same ones.
        find_model(runner).synchronize_statistics()
        # Before the checkpoint, too: it then holds the next epoch's hierarchy, and not the bank,
        # which is many times larger.
        if self._records(runner):
            self.cluster(runner, runner.epoch + 1)
        elif self.final and self.is_last_train_epoch(runner):
            self.cluster_final_weights(runner)

    def _is_due(self, epoch: int) -> bool:
        return epoch >= self.warmup_epochs and (epoch - self.warmup_epochs) % self.interval == 0

    def _lacks_clusters(self, model: ClustersImages, epoch: int) -> bool:
        """After a resume: the checkpoint has none, or other numbers of them than the config."""
        known = None if model.hierarchy is None else model.hierarchy.num_prototypes
        return epoch >= self.warmup_epochs and known != self.num_prototypes

    def _records(self, runner: Runner) -> bool:
        """Whether this epoch's keys are the features of the next one's clustering."""
        following = runner.epoch + 1
        return self.features == "bank" and self._is_due(following) and following < runner.max_epochs

    def cluster(self, runner: Runner, epoch: int) -> PrototypeHierarchy:
        """Extract, cluster, hand the hierarchy for an epoch to the model, and report."""
        model = find_model(runner)
        previous, hierarchy = model.hierarchy, self._compute(runner, model, epoch)
        model.set_hierarchy(hierarchy)
        self._to_save.trains_with(hierarchy)
        self._to_save.epoch = epoch
        self._to_save.weights = weights_digest(model.clustering_weights())
        name = f"before epoch {epoch + 1}"
        report(runner, name, model.hierarchy, previous, model.keep_shares(), self._times)
        return model.hierarchy

    def cluster_final_weights(self, runner: Runner) -> None:
        """Cluster once more at the end of a run that clusters, for the last checkpoint alone."""
        model = find_model(runner)
        if model.hierarchy is None:
            return
        with host_generators_kept():
            hierarchy = self._compute(runner, model, runner.epoch + 1)
        self._to_save.ends_with(hierarchy, weights_digest(model.clustering_weights()))
        report(runner, "of the final weights", hierarchy, model.hierarchy, {}, self._times)

    def _compute(self, runner: Runner, model: ClustersImages, epoch: int) -> PrototypeHierarchy:
        """Extract, cluster, and show the result to the hooks that look at it."""
        start = time.perf_counter()
        features = self._source.compute()
        extracted = time.perf_counter()
        hierarchy = self._build(runner, model, features, epoch)
        clustered = time.perf_counter()
        for hook in runner.hooks:
            if isinstance(hook, SeesClusterings):
                hook.see_clustering(runner, Clustering(hierarchy, features, self._source.images))
        if self._source.bank is not None:
            self._source.bank.clear()
        self._times.took(extracted - start, clustered - extracted)
        note_seconds(runner, "clustering", time.perf_counter() - start)
        return hierarchy

    def _build(
        self, runner: Runner, model: ClustersImages, features: Tensor, epoch: int
    ) -> PrototypeHierarchy:
        """Cluster the images that could be read, and note the others."""
        temperature, previous = self.temperature, model.hierarchy
        # other numbers of prototypes than those of the checkpoint: nothing to begin at
        warm = previous is not None and previous.num_prototypes == self.num_prototypes
        build = partial(
            model.build_hierarchy,
            num_prototypes=self.num_prototypes,
            temperature=model.concentration_temperature if temperature is None else temperature,
            warm_start=previous if self.warm_start and warm else None,
            seed=self.seed + epoch,
            **self._kmeans,
            **({"sharded": True} if self._source.sharded else {}),
        )
        hierarchy, missing = cluster_readable(features, self._source, build)
        runner.message_hub.update_info(UNREADABLE_KEY, missing, resumed=False)
        return hierarchy
