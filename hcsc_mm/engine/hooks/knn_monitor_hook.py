"""How well the features classify, while they are still being learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ...datasets.same_classes import check_same_classes
from ...errors import HCSCError
from ...evaluation import KNN, build_feature_loader, extract_feature_set
from ...evaluation.feature_set import pooled_features
from ...evaluation.undisturbed import undisturbed
from ...registry import HOOKS
from ...runtime import LoadsImages
from ...runtime.train_loop import refuse_iteration_loop
from ...utils.models import unwrapped


@HOOKS.register_module()
class KNNMonitorHook(Hook, LoadsImages):
    """Nearest-neighbour accuracy of the query backbone's features, every few epochs of
    pre-training.

    It goes to the log and to the visualizer's back ends as ``knn/top1_k<k>``. The pre-training's
    numbers do not change with it. Works with every model that has a ``backbone``.

    Args:
        train_dataloader: Config of a loader of labelled images to learn from, without sampler and
            collation.
        val_dataloader: The same for the images to classify.
        interval: Epochs from one measurement to the next; the last epoch is always measured.
        k: Numbers of neighbours.
        temperature: Above 0; a neighbour weighs exp(cosine / temperature).
    """

    priority = "LOW"

    def __init__(
        self,
        train_dataloader: dict,
        val_dataloader: dict,
        interval: int = 10,
        k: int | Sequence[int] = 20,
        temperature: float = 0.07,
    ) -> None:
        if interval < 1:
            raise HCSCError(f"KNNMonitorHook: interval={interval} must be at least 1")
        self.interval = interval
        self._configs = train_dataloader, val_dataloader
        self._metric = KNN((k,) if isinstance(k, int) else k, temperature)

    def before_train(self, runner: Runner) -> None:
        """Build the loaders: what is wrong with them must not come out after hours."""
        refuse_iteration_loop(runner, "KNNMonitorHook", "leave it out")
        self._loaders = [build_feature_loader(runner, config) for config in self._configs]
        check_same_classes(*(loader.dataset.dataset for loader in self._loaders))
        num_images = len(self._loaders[0].dataset)
        if max(self._metric.k) > num_images:
            raise HCSCError(
                f"KNNMonitorHook: k={max(self._metric.k)} exceeds the {num_images} images to learn "
                "from"
            )

    def loaders_to_try(self, runner: Runner) -> dict[str, DataLoader]:
        names = ("train_dataloader", "val_dataloader")
        return {
            f"KNNMonitorHook's {name}": loader
            for name, loader in zip(names, self._loaders, strict=True)
        }

    def try_batch(self, runner: Runner, batch: Mapping[str, Any]) -> list[str]:
        pooled_features(unwrapped(runner.model), batch["inputs"])
        return []

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if epoch % self.interval and epoch < runner.max_epochs:
            return
        model = unwrapped(runner.model)
        with undisturbed(model.backbone):
            train, val = (extract_feature_set(model, loader) for loader in self._loaders)
            scores = self._metric.evaluate(val, train)
        runner.logger.info(
            f"Epoch {epoch}: {', '.join(f'{name} {value:.2f}' for name, value in scores.items())}"
        )
        runner.visualizer.add_scalars(scores, step=runner.iter)
