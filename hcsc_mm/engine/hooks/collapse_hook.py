"""Do the embedding and the clusters still spread? Curves, words, and a stop before time is lost."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...evaluation.collapse import effective_rank, relative_std, size_balance
from ...registry import HOOKS
from ...runtime.hooks.progress_hook import HEALTH_KEY, VERDICT_KEY
from ...runtime.train_loop import passes_done
from ...structures import ClustersImages, ContrastsKeys, PrototypeHierarchy
from ...utils.models import first_of


class _Spread(NamedTuple):
    """How far the keys of the queue spread.

    Attributes:
        std: Standard deviation, as a share of an even embedding's.
        rank: Effective rank, 1 to ``dim``.
        dim: Length D of the embeddings.
    """

    std: float
    rank: float
    dim: int

    @property
    def rank_share(self) -> float:
        """Of the way from 1 to ``dim``."""
        return (self.rank - 1) / max(1, self.dim - 1)


@HOOKS.register_module()
class CollapseHook(Hook):
    """Log how far the keys of the queue and the clusters spread; warn of a collapse, or stop.

    The queue holds the embeddings of the last images, so that nothing is computed again. It starts
    with random directions: nothing is measured until the run has replaced them all. An untrained
    network maps all images to nearly one direction, which is no collapse yet: words begin after
    ``grace_epochs``.

    A *collapse* is an embedding that no longer tells images apart: its spread or its effective rank
    is below its threshold. *Uneven clusters* are none: the images may be like that (nine in ten of
    one kind), so they are noted, once a level, and stop nothing.

    Scalars: ``hcsc/embedding_std`` (1: even, 0: all equal), ``hcsc/effective_rank`` (1 to D), and
    for each level of a new hierarchy ``hcsc/level<l>/largest_share`` and
    ``hcsc/level<l>/size_entropy`` (1: even, 0: one cluster has all images). Models without such
    keys are left alone.

    Args:
        interval: Iterations from one measurement to the next, at least 1; 100 by default. There is
            one at the end of each epoch, too.
        min_embedding_std: Threshold of the standard deviation, as a share of an even embedding's,
            0 to 1; 0.1 by default, 0 never speaks.
        min_effective_rank: Threshold of the effective rank, as a share of the way from 1 to D (or
            to Q, if the queue is shorter), 0 to 1; 0.05 by default.
        min_size_entropy: Below this entropy of a level's cluster sizes, as a share of log K, they
            are noted as uneven; 0.5 by default.
        grace_epochs: Epochs without words at the start of a run, at least 0; 1 by default.
        action: 'warn' (the default) once, or 'stop' the run with an error when the collapse has
            lasted.
        patience: Measurements in a row that a collapse must have lasted before 'stop' stops, at
            least 1; 3 by default.
    """

    priority = "BELOW_NORMAL"  # after the clustering

    def __init__(
        self,
        interval: int = 100,
        min_embedding_std: float = 0.1,
        min_effective_rank: float = 0.05,
        min_size_entropy: float = 0.5,
        grace_epochs: int = 1,
        action: str = "warn",
        patience: int = 3,
    ) -> None:
        if interval < 1 or grace_epochs < 0 or patience < 1:
            raise HCSCError(
                f"interval={interval} and patience={patience} of CollapseHook must be at least 1 "
                f"and grace_epochs={grace_epochs} at least 0"
            )
        if action not in ("warn", "stop"):
            raise HCSCError(
                f"action={action!r} of CollapseHook is unknown; choose 'warn' or 'stop'"
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
        self.action = action
        self.patience = patience
        self._warned: set[str] = set()
        self._collapsed_for = 0  # measurements in a row
        self._last_hierarchy: PrototypeHierarchy | None = None

    def before_train_epoch(self, runner: Runner) -> None:
        """A new hierarchy: are its clusters of comparable size?"""
        model = first_of(runner.model, ClustersImages)
        if model is None or model.hierarchy in (None, self._last_hierarchy):
            return
        self._last_hierarchy = model.hierarchy
        for level, sizes in enumerate(model.hierarchy.sizes()):
            balance = size_balance(sizes)
            scalars = {
                f"hcsc/level{level}/largest_share": balance.largest_share,
                f"hcsc/level{level}/size_entropy": balance.entropy,
            }
            runner.visualizer.add_scalars(scalars, step=runner.iter)
            uneven = balance.entropy < self.thresholds["min_size_entropy"]
            if uneven and self._speaks(runner, f"level {level}"):
                runner.logger.info(
                    f"note: the clusters of level {level} are uneven, the largest of {len(sizes)} "
                    f"has {balance.largest_share:.0%} of the images; the entropy of their sizes is "
                    f"{balance.entropy:.3f} of an even one's. That is no collapse as long as the "
                    "embeddings spread: if most images are of one kind it is right, and a smaller "
                    f"num_prototypes[{level}] makes it more even"
                )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        end = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if end or self.every_n_train_iters(runner, self.interval):
            self._measure(runner)

    def _measure(self, runner: Runner) -> None:
        model = first_of(runner.model, ContrastsKeys)
        if model is None or not _queue_is_full(runner, model.queue_length):
            return
        keys = model.newest_keys(model.queue_length)  # (Q, D)
        if not bool(torch.isfinite(keys).all()):  # NonFiniteHook's case
            return
        spread = _Spread(float(relative_std(keys)), float(effective_rank(keys)), min(keys.shape))
        scalars = {"hcsc/embedding_std": spread.std, "hcsc/effective_rank": spread.rank}
        runner.visualizer.add_scalars(scalars, step=runner.iter + 1)
        words = {"spread": f"{spread.std:.2f}", "rank": f"{spread.rank:.0f} of {spread.dim}"}
        runner.message_hub.update_info(HEALTH_KEY, words, resumed=False)
        self._judge(runner, spread)

    def _judge(self, runner: Runner, spread: _Spread) -> None:
        found = {
            "min_embedding_std": (
                spread.std,
                "the embeddings are close to all equal, their standard deviation is "
                f"{spread.std:.3f} of an even one's",
            ),
            "min_effective_rank": (
                spread.rank_share,
                "the embeddings have lost dimensions, their effective rank is "
                f"{spread.rank:.1f} of {spread.dim}",
            ),
        }
        low = [name for name, (value, _) in found.items() if value < self.thresholds[name]]
        if passes_done(runner) < self.grace_epochs:
            return
        self._collapsed_for = self._collapsed_for + 1 if low else 0
        verdict = "collapsed" if low else "healthy"
        runner.message_hub.update_info(VERDICT_KEY, verdict, resumed=False)
        for name in low:
            message = (
                f"Collapse in epoch {runner.epoch + 1}, iteration {runner.iter + 1}: "
                f"{found[name][1]}, below {name}={self.thresholds[name]} of CollapseHook"
            )
            if self.action == "stop" and self._collapsed_for >= self.patience:
                raise HCSCError(
                    f"{message}, {self.patience} times in a row. {_remedy(runner, name)}"
                )
            if self._speaks(runner, name):
                runner.logger.warning(
                    f"{message}. {_remedy(runner, name)}; see docs/numerical_health.md"
                )

    def _speaks(self, runner: Runner, topic: str) -> bool:
        """Once a topic, after the grace."""
        if topic in self._warned or passes_done(runner) < self.grace_epochs:
            return False
        self._warned.add(topic)
        return True


def _remedy(runner: Runner, measure: str) -> str:
    """What to change, with its value: what helped where it was tried (docs/numerical_health.md)."""
    cfg, groups = runner.cfg, runner.optim_wrapper.optimizer.param_groups
    lr = max(group.get("initial_lr", group["lr"]) for group in groups)
    changes = [_change(cfg, "lr", "optim_wrapper.optimizer.lr", lr / 3)]
    momentum = cfg.get("model", {}).get("momentum")
    if measure == "min_effective_rank" and momentum is not None:
        changes.append(_change(cfg, "momentum", "model.momentum", momentum / 10))
    if "lr_warmup" in cfg:
        changes.append(f"lr_warmup={2 * cfg.lr_warmup}")
    return f"Start anew with --cfg-options {', or with '.join(changes)}" + (
        "" if "lr_warmup" in cfg else ", or with a warm-up of the learning rate"
    )


def _change(cfg: Config, name: str, place: str, value: float) -> str:
    """As it is typed: by the name at the top of the config, from which more may follow."""
    return f"{name if name in cfg else place}={value:.2g}"


def _queue_is_full(runner: Runner, length: int) -> bool:
    """Whether all random directions have gone: the run has delivered as many keys as it holds."""
    per_step = runner.train_dataloader.batch_size * get_world_size()
    return (runner.iter + 1) * per_step >= length
