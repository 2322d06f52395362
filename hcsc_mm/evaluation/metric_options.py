"""What measures of features ask for before there are any."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import BaseDataset

from ..errors import HCSCError
from .label_counts import LabelCounts

SEVERAL = (
    "nearest neighbours and clusters need one class per image, and these images have several; take "
    "LinearSVM"
)


def whole_numbers(metric: str, option: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """An option that is one number of things or several, each at least 1."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if not numbers or any(isinstance(n, bool) or int(n) != n or n < 1 for n in numbers):
        raise HCSCError(
            f"{option}={value} of {metric} must be a whole number, at least 1, or several"
        )
    return tuple(int(number) for number in numbers)


def learnt_from(train: BaseDataset | None, metric: object) -> BaseDataset:
    """The training set; raises HCSCError if there is none."""
    if train is None:
        raise HCSCError(
            f"{type(metric).__name__} needs labelled images to learn from; give "
            "test_cfg.train_dataloader"
        )
    return train


def check_one_class(counts: LabelCounts) -> None:
    """Raises HCSCError for images that have several labels."""
    if counts.several:
        raise HCSCError(SEVERAL)
