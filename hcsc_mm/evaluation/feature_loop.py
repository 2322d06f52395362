"""A test loop that judges features instead of predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.first_sample import channels_given
from ..datasets.same_classes import check_same_classes
from ..errors import HCSCError, NotApplicableError
from ..models import check_channels
from ..registry import LOOPS, METRICS
from ..utils.metric_values import plain, short
from ..utils.models import unwrapped
from ..utils.samples import sample_path
from .feature_set import build_feature_loader, has_labels
from .stage_features import check_stages, extract_with_stages


@LOOPS.register_module()
class FeatureTestLoop(BaseLoop):
    """Extract the backbone's features of a data set, and of a second one to learn from, and measure
    them.

    In a config: ``test_cfg = dict(type='hcsc_mm.FeatureTestLoop', train_dataloader=...)``. Several
    ranks share the images.

    Args:
        runner: mmengine gives it.
        dataloader: The images under test; ``test_dataloader`` in a config, without sampler and
            collation.
        evaluator: Configs of :class:`KNN`, :class:`LinearSVM`, :class:`LowShotSVM`,
            :class:`FewShot`, :class:`Clustering`, :class:`HierarchyScores`,
            :class:`CategoryDiscovery` or others with their ``evaluate``, and ``check`` for what can
            be said before any feature is extracted; ``test_evaluator`` in a config. One whose
            ``check`` raises :class:`NotApplicableError` is left out, with a line in the log, as
            long as another one applies.
        train_dataloader: Labelled images to learn from, for those that do.
        stages: Checkpoints of the same network whose features stand beside those of the one under
            test, as MCL's stages do, see :func:`extract_with_stages`; none by default.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: dict | Sequence[dict],
        train_dataloader: DataLoader | dict | None = None,
        stages: Sequence[str] = (),
    ) -> None:
        super().__init__(runner, build_feature_loader(runner, dataloader))
        evaluators = [evaluator] if isinstance(evaluator, dict) else evaluator
        self.evaluators = [
            METRICS.build(one) if isinstance(one, dict) else one for one in evaluators
        ]
        for one in self.evaluators:
            if isinstance(one, BaseMetric):
                raise HCSCError(
                    f"{type(one).__name__} judges predictions, and FeatureTestLoop has features; "
                    "take hcsc_mm.KNN, hcsc_mm.LinearSVM, … as test_evaluator, or another test_cfg"
                )
        self.stages = [stages] if isinstance(stages, str) else list(stages)
        self.train_dataloader = (
            None if train_dataloader is None else build_feature_loader(runner, train_dataloader)
        )

    def run(self) -> dict[str, float]:
        """The metrics of all evaluators, by name.

        Raises:
            HCSCError: the two data sets have different classes, or what they lack for an evaluator.
        """
        self.runner.call_hook("before_test")
        self.runner.call_hook("before_test_epoch")
        model = unwrapped(self.runner.model)
        labelled = has_labels(self.dataloader.dataset.dataset)
        evaluators = self._check(model, labelled)
        train = (
            None
            if self.train_dataloader is None
            else extract_with_stages(model, self.train_dataloader, self.stages)
        )
        test = extract_with_stages(model, self.dataloader, self.stages)
        metrics: dict[str, float] = {}
        for evaluator in evaluators:
            with _kept_in_the_log(metrics):
                found = evaluator.evaluate(test, train, self.runner._load_from)
                repeated = metrics.keys() & found.keys()
                if repeated:
                    raise HCSCError(
                        f"two entries of test_evaluator measure {min(repeated)}; keep one of them"
                    )
            metrics.update(found)
        self.runner.call_hook("after_test_epoch", metrics=metrics)
        self.runner.call_hook("after_test")
        return metrics

    def _compares_with_labels(self) -> bool:
        return any(getattr(one, "needs_labels", True) for one in self.evaluators)

    def _check(self, model: nn.Module, labelled: bool) -> list:
        """All that can be said before any feature is extracted; the evaluators that apply."""
        check_stages(model, self.stages)
        test_set = self.dataloader.dataset.dataset
        train_set = None if self.train_dataloader is None else self.train_dataloader.dataset.dataset
        if not labelled and self._compares_with_labels():
            raise HCSCError(
                f"{sample_path(test_set, 0) or 'the first image'} of the test set has no label "
                "(gt_label); use a data set with labels, such as hcsc_mm.LabelledImages"
            )
        if labelled and train_set is not None:
            check_same_classes(train_set, test_set)
        for dataset in (train_set, test_set):
            if dataset is not None:
                check_channels(model, channels_given(dataset))
        return applicable(self.evaluators, test_set, train_set, self.runner._load_from)


def applicable(
    evaluators: Sequence[Any],
    test_set: BaseDataset,
    train_set: BaseDataset | None,
    checkpoint: str | None,
) -> list[Any]:
    """The evaluators that say something of these images, each asked before any feature is
    extracted; the log names the others, and why.

    Raises:
        HCSCError: what one of them lacks; or none of them applies.
    """
    kept, reasons = [], []
    for evaluator in evaluators:
        check = getattr(evaluator, "check", None)  # others need not have one
        try:
            if check is not None:
                check(test_set, train_set, checkpoint)
            kept.append(evaluator)
        except NotApplicableError as error:
            reasons.append((type(evaluator).__name__, error))
    if not kept and reasons:
        raise reasons[0][1]
    for name, error in reasons:
        print_log(f"left out: {name}: {error}", logger="current", level=30)
    return kept


@contextmanager
def _kept_in_the_log(metrics: Mapping[str, Any]) -> Iterator[None]:
    """An evaluator that breaks down does not take with it what the ones before it have found."""
    try:
        yield
    except Exception:
        if metrics:
            found = ", ".join(
                f"{name} {short(name, value)}" for name, value in plain(metrics).items()
            )
            print_log(f"found before the error: {found}", logger="current", level=30)
        raise
