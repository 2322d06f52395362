"""What :class:`FeatureTestLoop` measures: the pure functions of this room, wired to features,
labels and a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from numpy.typing import NDArray
from torch import Tensor

from ..clustering import kmeans
from ..datasets.fingerprint import difference
from ..errors import HCSCError
from ..registry import METRICS
from ..structures import PrototypeHierarchy
from ..utils.shard import all_gather_rows
from .clustering_scores import clustering_scores
from .feature_set import FeatureSet
from .knn import nearest_neighbours, vote
from .svm import draw_shots, mean_average_precision, svm_scores


@METRICS.register_module()
class KNN:
    """Top-1 accuracy of weighted nearest neighbours, in per cent (Wu et al., CVPR 2018).

    Args:
        k: Numbers of neighbours.
        temperature: Of the weights exp(cosine / temperature).
    """

    def __init__(self, k: Sequence[int] = (10, 20, 100, 200), temperature: float = 0.07) -> None:
        if not k or min(k) < 1 or temperature <= 0:
            raise HCSCError(f"KNN(k={k}, temperature={temperature}): both must be positive")
        self.k, self.temperature = tuple(k), temperature

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'knn/top1_k<k>' for each k."""
        if test.labels.ndim != 1:
            raise HCSCError(
                "nearest neighbours need one class per image; take LinearSVM for images with "
                "several"
            )
        queries, labels = all_gather_rows(test.features), all_gather_rows(test.labels)
        neighbours = nearest_neighbours(
            train.features, train.labels, queries, max(self.k), sharded=True
        )
        num_classes = int(all_gather_rows(train.labels).max()) + 1
        return {
            f"knn/top1_k{k}": 100
            * float((vote(neighbours, k, self.temperature, num_classes) == labels).double().mean())
            for k in self.k
        }


@METRICS.register_module()
class LinearSVM:
    """Linear support vector machines with cross-validated cost on unit-length features (Goyal et
    al., ICCV 2019).

    Args:
        costs: To choose from, for each class.
        num_folds: Of the cross-validation.
        seed: Of folds and solver.
    """

    def __init__(
        self,
        costs: Sequence[float] = tuple(4.0**power for power in range(-3, 4)),
        num_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.costs, self.num_folds, self.seed = tuple(costs), num_folds, seed

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'svm/map' in per cent, and for one class per image 'svm/top1'."""
        (train_features, train_targets), (test_features, test_targets) = as_arrays(train, test)
        scores, costs = svm_scores(
            train_features,
            train_targets,
            test_features,
            costs=self.costs,
            num_folds=self.num_folds,
            seed=self.seed,
        )
        print_log(f"costs chosen by cross-validation: {_histogram(costs)}", logger="current")
        metrics = {"svm/map": 100 * mean_average_precision(test_targets, scores)}
        if test.labels.ndim == 1:
            metrics["svm/top1"] = 100 * float(
                np.mean(test_targets[np.arange(len(scores)), scores.argmax(axis=1)] == 1)
            )
        return metrics


@METRICS.register_module()
class LowShotSVM:
    """Linear support vector machines from a few images per class: mean and standard deviation over
    draws.

    Args:
        shots: Positives per class.
        num_draws: Draws of the training images; the same ones for every checkpoint.
        cost: Of the machine; there is too little to cross-validate.
        seed: Of the first draw; the next ones count on from it.
    """

    def __init__(
        self,
        shots: Sequence[int] = (1, 2, 4, 8, 16),
        num_draws: int = 5,
        cost: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.shots, self.num_draws, self.cost, self.seed = tuple(shots), num_draws, cost, seed

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'low_shot/map_<shots>' and 'low_shot/map_<shots>_std' over the draws, in per cent."""
        (train_features, train_targets), (test_features, test_targets) = as_arrays(train, test)
        metrics = {}
        for shots in self.shots:
            precisions = []
            for draw in range(self.num_draws):
                chosen = draw_shots(train_targets, shots, self.seed + draw)
                scores, _ = svm_scores(
                    train_features[chosen],
                    train_targets[chosen],
                    test_features,
                    costs=(self.cost,),
                    seed=self.seed,
                )
                precisions.append(100 * mean_average_precision(test_targets, scores))
            metrics[f"low_shot/map_{shots}"] = float(np.mean(precisions))
            metrics[f"low_shot/map_{shots}_std"] = (
                float(np.std(precisions, ddof=1)) if self.num_draws > 1 else 0.0
            )
        return metrics


@METRICS.register_module()
class Clustering:
    """Agreement of k-means on unit-length features with labels, and with coarse labels where the
    data set has them.

    Args:
        num_clusters: Numbers of clusters.
        num_restarts: Of k-means.
        seed: Of k-means.
    """

    def __init__(
        self, num_clusters: Sequence[int] = (25000, 1000), num_restarts: int = 5, seed: int = 0
    ) -> None:
        self.num_clusters, self.num_restarts, self.seed = tuple(num_clusters), num_restarts, seed

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'clustering/<K>/<score>' and 'clustering/<K>/coarse/<score>', see
        :func:`clustering_scores`.
        """
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

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'hierarchy/<level>_<K>/<score>' and '…/coarse/<score>', finest level first.

        Nothing, with a word in the log, for a checkpoint without a hierarchy.
        """
        hierarchy = load_hierarchy(checkpoint, test)
        if hierarchy is None:
            print_log(
                f"{checkpoint} holds no hierarchy: its levels are not scored",
                logger="current",
                level=30,
            )
            return {}
        metrics = {}
        for level, assignment in enumerate(hierarchy.path(all_gather_rows(test.sample_idx).cpu())):
            metrics.update(
                _agreement(
                    f"hierarchy/{level}_{len(hierarchy.prototypes[level])}", assignment, test
                )
            )
        return metrics


def load_hierarchy(checkpoint: str | None, images: FeatureSet) -> PrototypeHierarchy | None:
    """The hierarchy of a checkpoint over these images; None if it has none.

    Raises:
        HCSCError: it was trained on other images.
    """
    loaded = (
        CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu", logger=None)
        if checkpoint
        else {}
    )
    saved = loaded.get("hierarchical_clustering") if isinstance(loaded, dict) else None
    if saved is None or saved["hierarchy"] is None:
        return None
    known = saved.get("images")
    other = None
    if saved["num_samples"] != images.num_samples:
        other = f"is of {saved['num_samples']} training images, and the data set under test has "
        other += str(images.num_samples)
    elif known is not None and (how := difference(known, images.dataset)) is not None:
        other = f"is of {how}, than the {images.num_samples} of the data set under test"
    if other is not None:
        raise HCSCError(
            f"the hierarchy in {checkpoint} {other}; give the clustering stage the pre-training's "
            "own data set"
        )
    return PrototypeHierarchy.from_state_dict(saved["hierarchy"])


def _agreement(name: str, assignment: Tensor, images: FeatureSet) -> dict[str, float]:
    if images.labels.ndim != 1:
        raise HCSCError(
            "clusters are compared with one class per image, and these images show several"
        )
    labels = (
        {"": images.labels}
        if images.coarse_labels is None
        else {"": images.labels, "coarse/": images.coarse_labels}
    )
    return {
        f"{name}/{kind}{score}": value
        for kind, classes in labels.items()
        for score, value in clustering_scores(
            assignment.cpu(), all_gather_rows(classes).cpu()
        ).items()
    }


def as_arrays(
    train: FeatureSet, test: FeatureSet
) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Unit-length features (N, D) float32 and targets (N, C) int8 of all ranks' training and test
    images; C counts the classes of both.
    """
    train, test = train.gather(), test.gather()
    if train.labels.ndim == 1:
        num_classes = int(torch.cat([train.labels, test.labels]).max()) + 1
        targets = [F.one_hot(images.labels, num_classes).to(torch.int8) for images in (train, test)]
        trained_on = (targets[0] == 1).any(dim=0)  # a number that no training image has is no class
        targets = [one[:, trained_on] for one in targets]
    else:
        targets = [train.labels, test.labels]
    features = (F.normalize(images.features, dim=1).cpu().numpy() for images in (train, test))
    return tuple(zip(features, (one.cpu().numpy() for one in targets), strict=True))


def _histogram(costs: NDArray) -> str:
    values, counts = np.unique(costs, return_counts=True)
    return (
        ", ".join(
            f"{value:g} for {count} classes" for value, count in zip(values, counts, strict=True)
        )
        if get_rank() == 0
        else ""
    )
