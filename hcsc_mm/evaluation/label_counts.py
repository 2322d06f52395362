"""How many images there are of each class, known before any feature is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray

from ..datasets import LabelledImages
from .feature_set import read_labels


@dataclass(frozen=True)
class LabelCounts:
    """Of a data set, or of some of its images.

    Attributes:
        num_images: How many images there are.
        several: Whether an image may have several labels.
        labels: (C,) that any image has.
        positive: (C,) images that show the class.
        judged: (C,) images that show it or do not, without those that are not to be judged.
        names: Names of the classes, as the user knows them.
    """

    num_images: int
    several: bool
    labels: NDArray[np.int64]
    positive: NDArray[np.int64]
    judged: NDArray[np.int64]
    names: list[str]


def count_labels(dataset: BaseDataset) -> LabelCounts:
    """Of all images of a data set.

    Raises:
        HCSCError: an image has no label.
    """
    if isinstance(dataset, LabelledImages):
        labels = dataset.labels()
    else:
        labels = read_labels(dataset, range(len(dataset)))[0].numpy()
    if labels.ndim == 2:
        columns = np.arange(labels.shape[1])
        positive, judged = (labels == 1).sum(axis=0), (labels >= 0).sum(axis=0)
    else:
        columns, positive = np.unique(labels, return_counts=True)
        judged = np.full_like(positive, len(labels))
    names = names_of(dataset, columns)
    return LabelCounts(len(dataset), labels.ndim == 2, columns, positive, judged, names)


def names_of(dataset: BaseDataset | None, labels: NDArray) -> list[str]:
    """What the user calls the classes of labels; their numbers where they have no names."""
    metainfo = getattr(dataset, "metainfo", None) or {}
    names = metainfo.get("classes") or ()
    return [str(names[label]) if label < len(names) else str(label) for label in labels.tolist()]
