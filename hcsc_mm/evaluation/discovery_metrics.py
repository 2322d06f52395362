"""What :class:`FeatureTestLoop` measures of new classes beside known ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..errors import HCSCError, NotApplicableError
from ..registry import METRICS
from .category_discovery import (
    discovery_accuracy,
    draw_labelled,
    known_class_kmeans,
    number_of_classes,
)
from .clustering_metrics import load_hierarchy
from .feature_set import FeatureSet, check_labelled
from .label_counts import LabelCounts, count_labels
from .metric_options import SEVERAL, check_one_class, whole_numbers

# Nodes that are merged two by two: more would take minutes; coarser levels have fewer.
MAX_NODES = 2048


@METRICS.register_module()
class CategoryDiscovery:
    """Generalized category discovery (Vaze et al., CVPR 2022), the evaluation alone: clusters of
    images of known and new classes, a part of the known ones labelled.

    The protocol is that of GPC (Zhao et al., ICCV 2023) and ProtoGCD (Ma et al., TPAMI 2025), too,
    and the clusters are the paper's semi-supervised k-means; nothing is trained. The accuracy is
    that of the images without label, once with the true number of classes, and once with that which
    the checkpoint's tree suggests, if it has one of these images: by its finest level of at most
    2,048 nodes, see :func:`number_of_classes`.

    Args:
        old_classes: Labels of the known classes; by default the first half of the labels, in their
            order.
        labelled_share: Of each known class's images, in (0, 1); half by default.
        num_restarts: k-means runs from so many starts and keeps the best; 5 by default.
        seed: Seeds the draw of labelled images, and k-means.
    """

    def __init__(
        self,
        old_classes: Sequence[int] | None = None,
        labelled_share: float = 0.5,
        num_restarts: int = 5,
        seed: int = 0,
    ) -> None:
        if not 0 < labelled_share < 1:
            raise HCSCError(
                f"labelled_share={labelled_share} of CategoryDiscovery must lie in (0, 1)"
            )
        (self.num_restarts,) = whole_numbers("CategoryDiscovery", "num_restarts", num_restarts)
        self.old_classes = None if old_classes is None else tuple(old_classes)
        self.labelled_share, self.seed = labelled_share, seed

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: are there known classes and new ones, with images?"""
        counts = count_labels(test)
        check_one_class(counts)
        old = self._old(counts.labels)
        for place in np.flatnonzero(np.isin(counts.labels, old)):
            _check_number(counts, int(place))

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'gcd/all', 'gcd/old' and 'gcd/new' with the true number of classes, in per cent.

        With a tree of these images also 'gcd/num_classes', what it suggests,
        'gcd/num_classes_error', its distance from the truth in per cent of it, and
        'gcd/estimated/all', '…/old' and '…/new' with so many clusters.
        """
        check_labelled(test)
        images = test.gather()
        if images.labels.ndim != 1:
            raise HCSCError(SEVERAL)
        labels = images.labels.cpu().numpy()
        old = self._old(np.unique(labels))
        known = draw_labelled(labels, old, self.labelled_share, self.seed)
        truth = len(np.unique(labels))
        metrics = self._accuracy("gcd", images, known, old, truth)
        number = _suggested(images, labels, known, checkpoint)
        if number is None:
            return metrics
        metrics["gcd/num_classes"] = number
        metrics["gcd/num_classes_error"] = 100 * abs(number - truth) / truth
        return {**metrics, **self._accuracy("gcd/estimated", images, known, old, number)}

    def _old(self, labels: NDArray) -> NDArray:
        """The known classes among (C,) labels in order."""
        old = labels[: len(labels) // 2] if self.old_classes is None else self.old_classes
        unknown = sorted(set(old) - set(labels.tolist()))
        if unknown or not 0 < len(old) < len(labels):
            found = f"no image has the label {unknown[0]}" if unknown else f"{len(old)} are known"
            raise HCSCError(
                f"CategoryDiscovery needs known classes and new ones, and of {len(labels)} classes "
                f"{found}; set old_classes to some of the labels, not all"
            )
        return np.unique(old)

    def _accuracy(
        self, name: str, images: FeatureSet, known: NDArray, old: NDArray, number: int
    ) -> dict[str, float]:
        labels = images.labels.cpu().numpy()
        places = np.where(known, np.searchsorted(old, labels), -1)
        found = known_class_kmeans(
            F.normalize(images.features, dim=1),
            torch.from_numpy(places).to(images.features.device),
            number,
            num_restarts=self.num_restarts,
            seed=self.seed,
        )
        asked = ~known
        is_old = np.isin(labels[asked], old)
        scores = discovery_accuracy(found.cpu().numpy()[asked], labels[asked], is_old)
        return {f"{name}/{kind}": value for kind, value in scores.items()}


def _check_number(counts: LabelCounts, place: int) -> None:
    """Is there an image of a known class to label, and one to ask for?"""
    if counts.positive[place] < 2:
        raise HCSCError(
            f"class {counts.names[place]} has one image, and a known class needs two, one of which "
            "is labelled; leave it out of old_classes"
        )


def _suggested(
    images: FeatureSet, labels: NDArray, known: NDArray, checkpoint: str | None
) -> int | None:
    """Number of classes by the checkpoint's tree; None, with a word in the log, without one."""
    try:
        hierarchy = load_hierarchy(checkpoint, images.dataset, images.num_samples)
        reason = f"{checkpoint} holds no hierarchy"
    except NotApplicableError as error:
        hierarchy, reason = None, str(error)
    if hierarchy is None:
        print_log(f"no number of classes is estimated: {reason}", logger="current", level=30)
        return None
    path = hierarchy.path(images.sample_idx.cpu())
    small = [
        level
        for level, number in zip(path, hierarchy.num_prototypes, strict=True)
        if number <= MAX_NODES
    ]
    return number_of_classes(
        (small or path[-1:])[0].numpy(),
        F.normalize(images.features, dim=1).cpu().numpy(),
        labels,
        known,
    )
