"""How good are the features, while they are being learnt?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...datasets import check_same_classes
from ...datasets.same_classes import check_labels, class_names
from ...errors import HCSCError
from ...evaluation import build_feature_loader
from ...evaluation.feature_set import pooled_features
from ...models import pool
from ...registry import HOOKS
from ...runtime import GathersForCheckpoint, LoadsImages
from ...runtime.train_loop import refuse_iteration_loop
from ...utils.models import unwrapped
from ..online_probe import OnlineProbe, labels_of

CHECKPOINT_KEY = "online_linear_probe"


@HOOKS.register_module()
class OnlineLinearProbeHook(Hook, GathersForCheckpoint, LoadsImages):
    """Train a linear classifier on the features of the training images, beside the pre-training and
    without an effect on it.

    In each step it takes the pooled output of the backbone's first call, which embeds the query
    view: no image is embedded twice. No gradient goes back, no random number is drawn. The labels
    are those of the training set, which must have them (:class:`LabelledImages`); the model does
    not see them. Its weights and its optimizer are in the checkpoint.

    Scalars: ``probe/train_top1``, on the augmented training images, each judged before it is learnt
    from, every ``log_interval`` steps; ``probe/top1``, on ``val_dataloader``, in eval mode with the
    first rank's batch-norm statistics. Both in per cent.

    Args:
        in_channels: Channels of the backbone's last output: 2048 for ResNet-50, 512 for ResNet-18.
        val_dataloader: Config of a loader of labelled images of one size, for ``probe/top1``. It
            gets a sampler that takes each once.
        interval: Epochs from one such evaluation to the next; there is one after the last, too.
        lr: Learning rate of the classifier's SGD. There is no schedule: the features move under the
            classifier.
        momentum: Momentum of the classifier's SGD.
        weight_decay: Weight decay of the classifier's SGD.
        log_interval: Steps from one ``probe/train_top1`` to the next.
        views: How the first call holds several views of each image, if it does: 'interleaved' (both
            views of the first image, then those of the second: SimCLR) or 'stacked' (first views of
            all, then second: SwAV). The first view is taken.
    """

    priority = "NORMAL"

    def __init__(
        self,
        in_channels: int,
        val_dataloader: dict | None = None,
        interval: int = 1,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        log_interval: int = 100,
        views: str | None = None,
    ) -> None:
        if min(in_channels, interval, log_interval) < 1 or lr <= 0:
            raise HCSCError(
                f"in_channels={in_channels}, interval={interval} and log_interval={log_interval} "
                "of OnlineLinearProbeHook must be at "
                f"least 1, and lr={lr} above 0"
            )
        if views not in (None, "interleaved", "stacked"):
            raise HCSCError(
                f"views={views!r} of OnlineLinearProbeHook is unknown; choose 'interleaved' or "
                "'stacked', or leave it out"
            )
        self.in_channels = in_channels
        self.val_dataloader = val_dataloader
        self.interval = interval
        self.sgd = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        self.log_interval = log_interval
        self.views = views
        self._loaded: dict[str, Any] | None = None  # of the checkpoint that the run resumes from
        self._counts_to_save: Tensor | None = None  # for the checkpoint that is being written
        self._features: Tensor | None = (
            None  # of the step at hand, from the backbone's first call to the end of the step
        )
        self._within_step = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._loaded = checkpoint.get(CHECKPOINT_KEY)

    def before_train(self, runner: Runner) -> None:
        """Build the classifier and its loader.

        Raises:
            HCSCError: the model has no backbone, the training set no labels, or the two data sets
                have different classes.
        """
        if self.val_dataloader is not None:
            refuse_iteration_loop(runner, "OnlineLinearProbeHook", "leave out its val_dataloader")
        model, dataset = unwrapped(runner.model), runner.train_dataloader.dataset
        if not isinstance(getattr(model, "backbone", None), nn.Module):
            raise HCSCError(
                "OnlineLinearProbeHook needs a model with a backbone, which "
                f"{type(model).__name__} has not"
            )
        num_classes = len(class_names(dataset, "training"))
        check_labels(dataset, num_classes, "training")
        device = next(model.backbone.parameters()).device
        self._probe = OnlineProbe(self.in_channels, num_classes, device, **self.sgd)
        if self._loaded is not None:
            changed = self._probe.load_state_dict(self._loaded)
            if changed:
                runner.logger.warning(
                    f"the online probe goes on with the config's settings: {', '.join(changed)}"
                )
        elif runner._resume:
            runner.logger.info("the checkpoint has no online probe: it starts anew")
        self._loaded = None
        self._loader = (
            None
            if self.val_dataloader is None
            else build_feature_loader(runner, self.val_dataloader)
        )
        if self._loader is not None:
            check_same_classes(dataset, self._loader.dataset.dataset)
        self._handle = model.backbone.register_forward_hook(self._keep_first)

    def loaders_to_try(self, runner: Runner) -> dict[str, DataLoader]:
        known = self._loader is not None
        return {"OnlineLinearProbeHook's val_dataloader": self._loader} if known else {}

    def try_batch(self, runner: Runner, batch: Mapping[str, Any]) -> list[str]:
        pooled_features(unwrapped(runner.model), batch["inputs"])
        return []

    def after_train(self, runner: Runner) -> None:
        self._handle.remove()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        self._within_step, self._features = True, None

    def _keep_first(
        self, backbone: nn.Module, inputs: tuple, outputs: Tensor | tuple[Tensor, ...]
    ) -> None:
        if self._within_step and self._features is None:
            with torch.no_grad():
                # What comes after may work in place.
                self._features = pool(outputs).detach().to(torch.float32, copy=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        features, self._within_step, self._features = self._features, False, None
        samples = data_batch["data_samples"]
        self._probe.step(
            self._one_per_sample(features, len(samples)), labels_of(samples, features.device)
        )
        if self.every_n_train_iters(runner, self.log_interval):
            self._report(runner, "probe/train_top1", self._probe.take_accuracy())

    def after_train_epoch(self, runner: Runner) -> None:
        due = self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)
        if self._loader is not None and due:
            self._report(
                runner,
                "probe/top1",
                self._probe.evaluate(unwrapped(runner.model), self._loader),
                after_epoch=True,
            )

    def gather_for_checkpoint(self, runner: Runner) -> None:
        """On all ranks, before the first one writes."""
        self._counts_to_save = self._probe.counts_of_all_ranks()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        counts, self._counts_to_save = self._counts_to_save, None
        checkpoint[CHECKPOINT_KEY] = self._probe.state_dict(
            self._probe.counts if counts is None else counts
        )

    def _one_per_sample(self, features: Tensor | None, number: int) -> Tensor:
        """(B, C) of the (B, C) or (V · B, C) that the backbone's first call gave."""
        if features is None:
            raise HCSCError(
                "OnlineLinearProbeHook saw no call of model.backbone in this step; leave it out "
                "for this kind of model"
            )
        if features.ndim != 2 or features.shape[1] != self.in_channels:
            raise HCSCError(
                f"OnlineLinearProbeHook(in_channels={self.in_channels}) got features of shape "
                f"{tuple(features.shape)} after pooling; "
                "set in_channels to the backbone's last number of channels"
            )
        if len(features) == number:
            return features
        if self.views is None or len(features) % number:
            raise HCSCError(
                f"the backbone's first call embeds {len(features)} views of {number} images; set "
                "views='interleaved' (SimCLR) or 'stacked' (SwAV) of OnlineLinearProbeHook, "
                "whichever the model does"
            )
        return (
            features[:: len(features) // number]
            if self.views == "interleaved"
            else features[:number]
        )

    def _report(
        self, runner: Runner, name: str, per_cent: float, after_epoch: bool = False
    ) -> None:
        when = (
            f"after epoch {runner.epoch + 1}"
            if after_epoch
            else f"epoch {runner.epoch + 1}, iteration {runner.iter + 1}"
        )
        runner.logger.info(f"Online linear probe, {when}: {name} {per_cent:.2f}")
        runner.visualizer.add_scalars({name: per_cent}, step=runner.iter + (not after_epoch))
