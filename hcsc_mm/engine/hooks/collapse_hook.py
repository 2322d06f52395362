"""Do the embedding and the clusters still spread? Curves, and a warning when they do not."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...evaluation.collapse import effective_rank, relative_std, size_balance
from ...registry import HOOKS
from ...structures import ClustersImages, ContrastsKeys, PrototypeHierarchy
from ...utils.models import first_of


@HOOKS.register_module()
class CollapseHook(Hook):
    """Log how far the keys of the queue and the clusters spread; warn, once each, when one falls
    below its threshold.

    The queue holds the embeddings of the last images, so that nothing is computed again. It starts
    with random directions: nothing is measured until the run has replaced them all. An untrained
    network maps all images to nearly one direction, which is no collapse yet: warnings begin after
    ``grace_epochs``.

    Scalars: ``hcsc/embedding_std`` (1: even, 0: all equal), ``hcsc/effective_rank`` (1 to D), and
    for each level of a new hierarchy ``hcsc/level<l>/largest_share`` and
    ``hcsc/level<l>/size_entropy`` (1: even, 0: one cluster has all images). Models without
    such keys are left alone.

    Args:
        interval: Iterations from one measurement to the next; there is one at the end of each
            epoch, too.
        min_embedding_std: Threshold of the standard deviation, as a share of an even embedding's.
        min_effective_rank: Threshold of the effective rank, as a share of the way from 1 to D.
        min_size_entropy: Threshold of the entropy of the cluster sizes, as a share of log K.
        grace_epochs: Epochs without warnings at the start of a run.
    """

    priority = "BELOW_NORMAL"  # after the clustering

    def __init__(
        self,
        interval: int = 100,
        min_embedding_std: float = 0.1,
        min_effective_rank: float = 0.05,
        min_size_entropy: float = 0.5,
        grace_epochs: int = 1,
    ) -> None:
        if interval < 1 or grace_epochs < 0:
            raise HCSCError(
                f"interval={interval} of CollapseHook must be at least 1 and "
                f"grace_epochs={grace_epochs} at least 0"
            )
        thresholds = {
            "min_embedding_std": min_embedding_std,
            "min_effective_rank": min_effective_rank,
            "min_size_entropy": min_size_entropy,
        }
        for name, threshold in thresholds.items():
            if not 0 <= threshold <= 1:
                raise HCSCError(
                    f"{name}={threshold} of CollapseHook must lie between 0 and 1; 0 never warns"
                )
        self.interval = interval
        self.thresholds = thresholds
        self.grace_epochs = grace_epochs
        self._warned: set[str] = set()
        self._last_hierarchy: PrototypeHierarchy | None = None

    def before_train_epoch(self, runner: Runner) -> None:
        """A new hierarchy: are its clusters of comparable size?"""
        model = first_of(runner.model, ClustersImages)
        if model is None or model.hierarchy in (None, self._last_hierarchy):
            return
        self._last_hierarchy = model.hierarchy
        for level, sizes in enumerate(model.hierarchy.sizes()):
            number, balance = len(sizes), size_balance(sizes)
            scalars = {
                f"hcsc/level{level}/largest_share": balance.largest_share,
                f"hcsc/level{level}/size_entropy": balance.entropy,
            }
            runner.visualizer.add_scalars(scalars, step=runner.iter)
            largest = f"the largest of {number} has {balance.largest_share:.0%} of the images"
            message = (
                f"the clusters of level {level} are uneven, {largest}; the entropy of their sizes "
                f"is {balance.entropy:.3f} of an even one's"
            )
            self._warn(runner, "min_size_entropy", balance.entropy, message)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        if self.every_n_train_iters(runner, self.interval) or self.end_of_epoch(
            runner.train_dataloader, batch_idx
        ):
            self._measure(runner)

    def _measure(self, runner: Runner) -> None:
        model = first_of(runner.model, ContrastsKeys)
        if model is None or not _queue_is_full(runner, model.queue_length):
            return
        keys = model.newest_keys(model.queue_length)  # (Q, D)
        if not bool(torch.isfinite(keys).all()):  # NonFiniteHook's case
            return
        std, rank = float(relative_std(keys)), float(effective_rank(keys))
        dim = keys.shape[1]
        runner.visualizer.add_scalars(
            {"hcsc/embedding_std": std, "hcsc/effective_rank": rank}, step=runner.iter + 1
        )
        message = (
            f"the embeddings are close to all equal, their standard deviation is {std:.3f} of an "
            "even one's"
        )
        self._warn(runner, "min_embedding_std", std, message)
        message = (
            f"the embeddings have lost dimensions, their effective rank is {rank:.1f} of {dim}"
        )
        self._warn(runner, "min_effective_rank", (rank - 1) / (dim - 1), message)

    def _warn(self, runner: Runner, threshold: str, value: float, message: str) -> None:
        if (
            threshold in self._warned
            or runner.epoch < self.grace_epochs
            or value >= self.thresholds[threshold]
        ):
            return
        self._warned.add(threshold)
        runner.logger.warning(
            f"Collapse in epoch {runner.epoch + 1}, iteration {runner.iter + 1}: {message}, below "
            f"{threshold}="
            f"{self.thresholds[threshold]} of CollapseHook; see docs/numerical_health.md"
        )


def _queue_is_full(runner: Runner, length: int) -> bool:
    """Whether all random directions have gone: the run has delivered as many keys as it holds."""
    per_step = runner.train_dataloader.batch_size * get_world_size()
    return (runner.iter + 1) * per_step >= length
