"""What :class:`FeatureTestLoop` measures of clusters: of features, and of a hierarchy."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..clustering import kmeans
from ..datasets.fingerprint import difference
from ..errors import HCSCError, NotApplicableError
from ..registry import METRICS
from ..structures import PrototypeHierarchy
from ..structures.checkpoint_entry import saved_tree
from ..utils.numbers import check_whole
from ..utils.shard import all_gather_rows
from .clustering_scores import clustering_scores
from .feature_set import FeatureSet, check_labelled
from .label_counts import count_labels
from .metric_options import SEVERAL, check_one_class, whole_numbers
from .tree_scores import tree_scores


@METRICS.register_module()
class Clustering:
    """Agreement of k-means on unit-length features with labels, and with coarse labels where the
    data set has them.

    Args:
        num_clusters: Numbers of clusters.
        num_restarts: k-means runs from so many starts and keeps the best.
        seed: Seeds k-means.
    """

    def __init__(
        self, num_clusters: Sequence[int] = (25000, 1000), num_restarts: int = 5, seed: int = 0
    ) -> None:
        self.num_clusters = whole_numbers("Clustering", "num_clusters", num_clusters)
        (self.num_restarts,) = whole_numbers("Clustering", "num_restarts", num_restarts)
        self.seed = seed
        check_whole("Clustering", 0, seed=seed)

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: are there as many images as clusters?"""
        check_one_class(count_labels(test))
        if max(self.num_clusters) > len(test):
            raise HCSCError(
                f"num_clusters={max(self.num_clusters)} of Clustering exceeds the {len(test)} "
                f"images under test; set at most {len(test)}"
            )

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'clustering/<K>/<score>' and 'clustering/<K>/coarse/<score>', see
        :func:`clustering_scores`.
        """
        check_labelled(test)
        metrics = {}
        for number in self.num_clusters:
            found = kmeans(
                F.normalize(test.features, dim=1),
                number,
                num_restarts=self.num_restarts,
                seed=self.seed,
            )
            metrics.update(
                _agreement(f"clustering/{number}", all_gather_rows(found.assignment), test)
            )
        return metrics


@METRICS.register_module()
class HierarchyScores:
    """Agreement of each level of a checkpoint's prototype hierarchy with labels and coarse labels.

    The data set under test must be the one that the checkpoint was trained on, in the same order.
    """

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: is the checkpoint's hierarchy of these images?

        Raises:
            NotApplicableError: of others, whose levels say nothing of these.
        """
        if load_hierarchy(checkpoint, test) is not None:
            check_one_class(count_labels(test))

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'hierarchy/<level>_<K>/<score>' and '…/coarse/<score>', level 0, the finest, first; then
        'hierarchy/<score>' and 'hierarchy/coarse/<score>' of the tree as a whole, see
        :func:`tree_scores`.

        Nothing, with a word in the log, for a checkpoint without a hierarchy.
        """
        check_labelled(test)
        hierarchy = load_hierarchy(checkpoint, test.dataset, test.num_samples)
        if hierarchy is None:
            print_log(
                f"{checkpoint} holds no hierarchy: its levels are not scored",
                logger="current",
                level=30,
            )
            return {}
        metrics = {}
        path = hierarchy.path(all_gather_rows(test.sample_idx).cpu())
        for level, assignment in enumerate(path):
            name = f"hierarchy/{level}_{len(hierarchy.prototypes[level])}"
            metrics.update(_agreement(name, assignment, test))
        for kind, classes in _label_kinds(test).items():
            scores = tree_scores([level.numpy() for level in path], classes.numpy())
            metrics.update({f"hierarchy/{kind}{name}": value for name, value in scores.items()})
        return metrics


def load_hierarchy(
    checkpoint: str | None, dataset: BaseDataset | None, num_images: int | None = None
) -> PrototypeHierarchy | None:
    """The hierarchy of a checkpoint over the images of a data set; None if it has none.

    Args:
        checkpoint: Path of the checkpoint.
        dataset: Images that the hierarchy's paths must belong to.
        num_images: How many they are, by default the data set's.

    Raises:
        NotApplicableError: it was trained on other images.
    """
    if not checkpoint:
        return None
    num_images = len(dataset) if num_images is None else num_images
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu", logger=None)
    saved = saved_tree(loaded, checkpoint, checkpoint)
    if saved is None:
        return None
    other = None
    if saved.num_samples != num_images:
        other = f"is of {saved.num_samples} training images, and the data set under test has "
        other += str(num_images)
    elif saved.images is not None and (how := difference(saved.images, dataset)) is not None:
        other = f"is of {how}, than the {num_images} of the data set under test"
    if other is not None:
        raise NotApplicableError(
            f"the hierarchy in {checkpoint} {other}; give the clustering stage the pre-training's "
            "own data set"
        )
    return saved.hierarchy


def _agreement(name: str, assignment: Tensor, images: FeatureSet) -> dict[str, float]:
    return {
        f"{name}/{kind}{score}": value
        for kind, classes in _label_kinds(images).items()
        for score, value in clustering_scores(assignment.cpu(), classes).items()
    }


def _label_kinds(images: FeatureSet) -> dict[str, Tensor]:
    """(N,) labels of all ranks' images on the CPU: '' fine, and 'coarse/' where there are."""
    if images.labels.ndim != 1:
        raise HCSCError(SEVERAL)
    kinds = {"": images.labels, "coarse/": images.coarse_labels}
    return {
        kind: all_gather_rows(classes).cpu()
        for kind, classes in kinds.items()
        if classes is not None
    }
