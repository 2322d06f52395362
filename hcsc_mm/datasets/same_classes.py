"""Do two data sets mean the same by a label?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset

from ..errors import HCSCError
from .labelled_images import LabelledImages
from .range_of_set import check_same_loading
from .transforms.decode import one_line_path

_MOST_NAMED = 3


def check_same_classes(train: BaseDataset, test: BaseDataset) -> None:
    """Refuse a pair of data sets whose labels do not mean the same.

    Names must be equal and in the same order. Where both number their classes, as lists without
    ``classes`` do, the test set may lack some of the training classes; it may not have others.

    Args:
        train: Any data set of mmengine's kind with ``metainfo['classes']``.
        test: Another.

    Raises:
        HCSCError: classes are unknown or differ, or a test label lies outside of them.
    """
    ours, theirs = class_names(train, "training"), class_names(test, "test")
    if _are_numbers(ours) and _are_numbers(theirs):
        if len(theirs) > len(ours):
            raise HCSCError(
                f"the test set has labels up to {len(theirs) - 1}, the training set up to "
                f"{len(ours) - 1}; use lists with the same classes"
            )
    elif ours != theirs:
        raise HCSCError(
            f"training and test set have different classes: {_difference(ours, theirs)}; name them "
            "alike, or give both classes"
        )
    if not isinstance(test, LabelledImages):  # which has looked already
        check_labels(test, len(ours), "test")
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
    return tuple(names)


def check_labels(dataset: BaseDataset, num_classes: int, role: str) -> None:
    """Refuse labels outside of 0 … num_classes − 1.

    Raises:
        HCSCError: an image has no label or such a one; it is named.
    """
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        label = info.get("gt_label")
        labels = (
            [-1] if label is None else [label] if np.isscalar(label) else label
        )  # some data sets have several for an image
        if not all(0 <= int(one) < num_classes for one in labels):
            path = one_line_path(info["img_path"]) if info.get("img_path") else f"sample {index}"
            what = "no gt_label" if label is None else f"the label {label}"
            raise HCSCError(
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
