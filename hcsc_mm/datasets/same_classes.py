"""Do two data sets mean the same by a label?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

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
from .same_folders import warn_of_other_numbers
from .tar_images import TarImages

_MOST_NAMED = 3
_MOST_COMPARED = 300_000  # images of both sets, whose files are compared one by one


def check_same_classes(train: BaseDataset, test: BaseDataset) -> None:
    """Refuse a pair of data sets whose labels do not mean the same.

    Names must be equal and in the same order, whether their letters are composed or not. Where both
    number their classes, as lists without ``classes`` do, the test set may lack some of the
    training classes; it may not have others. Test images with labels that no training image has
    are warned of, and refused where one of the lists seems to count from 1. Lists that number the
    classes differently by their folders, training images of a single class, and test images that
    are training images, too, are warned of.

    Args:
        train: Any data set of mmengine's kind with ``metainfo['classes']``.
        test: Labels of the test set.

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
    if _are_numbers(ours):
        warn_of_other_numbers(train, test)
    _warn_of_shared_images(train, test)
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
        names: Names of the classes, by label.

    Raises:
        HCSCError: label 0 is in the test set only, as where the training list counts from 1.
    """
    learnt = np.flatnonzero(train)
    if len(learnt) == 1:
        print_log(
            f"all {int(train.sum())} training images are of one class, "
            f"{one_line_path(names[learnt[0]])}: whatever the features, nothing else can be "
            "answered",
            "current",
            level=30,
        )
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


def _warn_of_shared_images(train: BaseDataset, test: BaseDataset) -> None:
    """The nearest neighbour of an image that was learnt from is itself."""
    if len(train) + len(test) > _MOST_COMPARED:  # a minute for millions
        rows = np.linspace(0, len(test) - 1, num=_MOST_NAMED).astype(int)
        if len(train) != len(test) or _files(train, rows) != _files(test, rows):
            return
        shared = len(test)
    else:
        learnt = set(_files(train, range(len(train)))) - {None}
        shared = sum(file in learnt for file in _files(test, range(len(test))))
    if shared:
        print_log(
            f"{shared} of {len(test)} test images are training images, too: scores say nothing of "
            "new ones; give the test set a data_prefix or ann_file of its own",
            "current",
            level=30,
        )


def _files(dataset: BaseDataset, rows: Iterable[int]) -> list[str | None]:
    """Of some images; None for images in memory."""
    paths = (sample_path(dataset, int(row)) for row in rows)
    return [None if path is None else os.path.abspath(path) for path in paths]


def check_num_classes(dataset: BaseDataset, num_classes: int, role: str) -> None:
    """Refuse a data set of another number of classes than a classifier's.

    Args:
        dataset: Any with ``metainfo['classes']``.
        num_classes: Number of classes that the classifier tells apart.
        role: 'training', which must have all of the classes; others may lack the last ones.

    Raises:
        HCSCError: with the number to set.
    """
    number = len(class_names(dataset, role))
    if number != num_classes if role == "training" else number > num_classes:
        raise HCSCError(
            f"model.head has num_classes={num_classes}, the {role} set {number} classes; set "
            "num_classes at the top of the config, or add --cfg-options "
            f"model.head.num_classes={number}"
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
    if isinstance(dataset, TarImages):  # ten million labels in its index, and no sample of them
        labels = dataset.labels()
        outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
        if len(outside):
            raise _no_label(dataset, int(outside[0]), num_classes, role)
        return np.bincount(labels, minlength=num_classes)
    counts = np.zeros(num_classes, dtype=np.int64)
    for index in range(len(dataset)):
        label = dataset.get_data_info(index).get("gt_label")
        # Some data sets have several for an image.
        labels = [-1] if label is None else [label] if np.isscalar(label) else label
        if not all(0 <= int(one) < num_classes for one in labels):
            raise _no_label(dataset, index, num_classes, role)
        counts[[int(one) for one in labels]] += 1
    return counts


def _no_label(dataset: BaseDataset, index: int, num_classes: int, role: str) -> HCSCError:
    """What to say of an image whose label is none of the classes'."""
    label = dataset.get_data_info(index).get("gt_label")
    path = sample_path(dataset, index) or f"sample {index}"
    what = "no gt_label" if label is None else f"the label {label}"
    return HCSCError(
        f"{path} of the {role} set has {what}; there are {num_classes} classes, and labels "
        "count from 0"
    )


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
