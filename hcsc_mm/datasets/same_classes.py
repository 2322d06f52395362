"""Do two data sets mean the same by a label?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..errors import HCSCError
from ..utils.samples import sample_path
from ..utils.text import one_line_path
from .file_kinds import same_text
from .labelled_images import LabelledImages
from .range_of_set import check_same_loading

_MOST_NAMED = 3


def check_same_classes(train: BaseDataset, test: BaseDataset) -> None:
    """Refuse a pair of data sets whose labels do not mean the same.

    Names must be equal and in the same order, whether their letters are composed or not. Where both
    number their classes, as lists without ``classes`` do, the test set may lack some of the
    training classes; it may not have others. Test images with labels that no training image has
    are warned of, and refused where one of the lists seems to count from 1.

    Args:
        train: Any data set of mmengine's kind with ``metainfo['classes']``.
        test: Another.

    Raises:
        HCSCError: classes are unknown or differ, a test label lies outside of them, or the labels
            are shifted; or the two would load images differently.
    """
    ours, theirs = class_names(train, "training"), class_names(test, "test")
    if _are_numbers(ours) and _are_numbers(theirs):
        if len(theirs) > len(ours):
            raise HCSCError(
                f"the test set has labels up to {len(theirs) - 1}, the training set up to "
                f"{len(ours) - 1}; use lists with the same classes (does one count from 1?)"
            )
    elif ours != theirs:
        raise HCSCError(
            f"training and test set have different classes: {_difference(ours, theirs)}; name them "
            "alike, or give both classes"
        )
    counts = (
        check_labels(one, len(ours), role) for one, role in ((train, "training"), (test, "test"))
    )
    _check_same_use(*counts, ours)
    check_same_loading(
        *(getattr(one, "pipeline", None) for one in (train, test)), ("training", "test")
    )


def class_names(dataset: BaseDataset, role: str) -> tuple[str, ...]:
    """The names of its classes; a label is a place among them.

    Raises:
        HCSCError: it has none.
    """
    names = dataset.metainfo.get("classes") if hasattr(dataset, "metainfo") else None
    if not names:
        raise HCSCError(
            f"the {role} set, a {type(dataset).__name__}, names no classes; use "
            "hcsc_mm.LabelledImages, or give it classes"
        )
    return tuple(same_text(str(name)) for name in names)


def _check_same_use(train: NDArray, test: NDArray, names: Sequence[str]) -> None:
    """Do the labels that test images have mean classes that were learnt?

    Args:
        train, test: (C,) how many images have each label.
        names: Of the classes.

    Raises:
        HCSCError: label 0 is in the test set only, as where the training list counts from 1.
    """
    unseen = np.flatnonzero((test > 0) & (train[: len(test)] == 0))
    if len(unseen):
        labels = ", ".join(
            one_line_path(names[label])
            if names[label] == str(label)
            else f"{label} ({names[label]})"
            for label in unseen[:_MOST_NAMED].tolist()
        )
        number, total = int(test[unseen].sum()), int(test.sum())
        message = (
            f"{number} of {total} test images have labels that no training image has: {labels}"
            f"{', …' if len(unseen) > _MOST_NAMED else ''}; does one list count from 1?"
        )
        if unseen[0] == 0 and train[1:2].any():
            raise HCSCError(
                f"{message} The test labels begin at 0, the training labels at 1: mend the lists, "
                "or take those images out of the test set"
            )
        print_log(f"{message} They cannot be classified right", "current", level=30)
    elif len(test) > 2 and train[0] and not test[0] and (test[1:] > 0).all():
        print_log(
            "no test image has label 0, and all other labels have some; does the test list count "
            "from 1?",
            "current",
            level=30,
        )


def check_labels(dataset: BaseDataset, num_classes: int, role: str) -> NDArray[np.int64]:
    """Refuse labels outside of 0 … num_classes − 1.

    Returns:
        (C,) how many images have each label.

    Raises:
        HCSCError: an image has no label or such a one; it is named.
    """
    if isinstance(dataset, LabelledImages):  # which has looked already
        return np.bincount(dataset.labels(), minlength=num_classes)
    counts = np.zeros(num_classes, dtype=np.int64)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        label = info.get("gt_label")
        labels = (
            [-1] if label is None else [label] if np.isscalar(label) else label
        )  # some data sets have several for an image
        if not all(0 <= int(one) < num_classes for one in labels):
            path = sample_path(dataset, index) or f"sample {index}"
            what = "no gt_label" if label is None else f"the label {label}"
            raise HCSCError(
                f"{path} of the {role} set has {what}; there are {num_classes} classes, and labels "
                "count from 0"
            )
        counts[[int(one) for one in labels]] += 1
    return counts


def _are_numbers(names: Sequence[str]) -> bool:
    return all(name == str(place) for place, name in enumerate(names))


def _difference(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    """Some names that only one has, or the first place where the order differs."""
    parts = []
    for names, others, role in ((ours, theirs, "training"), (theirs, ours, "test")):
        only = [one_line_path(name) for name in names if name not in set(others)]
        if only:
            parts.append(
                f"{', '.join(only[:_MOST_NAMED])}{', …' if len(only) > _MOST_NAMED else ''} only "
                f"in the {role} set"
            )
    if parts:
        return " and ".join(parts)
    place = next(
        (index for index, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        None,
    )
    if place is None:
        return (
            f"{len(ours)} names in the training set and {len(theirs)} in the test set, some of "
            "them twice"
        )
    return (
        f"class {place} is {one_line_path(ours[place])} in the training set and "
        f"{one_line_path(theirs[place])} in the test set"
    )
