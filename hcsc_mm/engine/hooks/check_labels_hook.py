"""Do data sets, model and metric agree about the classes? Asked before the first step, not after a
hundred epochs.
"""

from __future__ import annotations

from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from ...datasets import check_same_classes
from ...datasets.first_sample import channels_given
from ...datasets.same_classes import check_labels, check_num_classes
from ...errors import HCSCError
from ...models import check_channels
from ...registry import HOOKS
from ...utils.models import unwrapped


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Refuse to train or test when labels do not mean the same to data sets and model.

    Training and validation set must have the same classes, as many as ``model.head.num_classes``,
    labels must lie within them, and no metric may ask for more classes than there are. Each rank
    looks at its own copy of the same lists, so that all of them stop.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """All that training and its validations use.

        Raises:
            HCSCError: something differs; with what to set.
        """
        dataset = runner.train_dataloader.dataset
        self._check(runner, dataset, "training")
        _check_width(runner)
        check_channels(unwrapped(runner.model), channels_given(dataset))
        if runner.val_loop is not None:
            check_same_classes(dataset, runner.val_dataloader.dataset)
            _check_topk(runner.val_loop, _num_classes(runner))

    def before_val(self, runner: Runner) -> None:
        """For a validation alone; within training it has been looked at."""
        if not isinstance(runner._train_loop, BaseLoop):
            self._check(runner, runner.val_dataloader.dataset, "validation", runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        self._check(runner, runner.test_dataloader.dataset, "test", runner.test_loop)

    def _check(
        self, runner: Runner, dataset: BaseDataset, role: str, loop: BaseLoop | None = None
    ) -> None:
        num_classes = _num_classes(runner)
        check_num_classes(dataset, num_classes, role)
        check_labels(dataset, num_classes, role)
        if loop is not None:
            _check_topk(loop, num_classes)


def _num_classes(runner: Runner) -> int:
    head: Any = getattr(unwrapped(runner.model), "head", None)
    number = getattr(head, "num_classes", None)
    if number is None:
        raise HCSCError(
            "CheckLabelsHook needs a model whose head has num_classes; take the hook out of "
            "custom_hooks for others"
        )
    return number


def _check_width(runner: Runner) -> None:
    """Where the backbone says its width; a plain head would end in a product of matrices that do
    not fit.
    """
    model = unwrapped(runner.model)
    given, wanted = (
        getattr(model.backbone, "feat_dim", None),
        getattr(model.head, "in_channels", None),
    )
    if None not in (given, wanted) and given != wanted:
        raise HCSCError(
            f"model.head has in_channels={wanted}, the backbone gives {given}; set "
            f"model.head.in_channels={given}"
        )


def _check_topk(loop: BaseLoop, num_classes: int) -> None:
    for metric in getattr(
        getattr(loop, "evaluator", None), "metrics", ()
    ):  # other loops need not have one
        largest = max(getattr(metric, "topk", None) or (1,))
        if largest > num_classes:
            raise HCSCError(
                f"top-{largest} accuracy of {num_classes} classes is asked for; "
                'add --cfg-options val_evaluator.topk="(1,)" test_evaluator.topk="(1,)"'
            )
