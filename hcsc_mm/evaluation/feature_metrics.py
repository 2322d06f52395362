"""What :class:`FeatureTestLoop` measures of one data set's features by another's: the pure
functions of this room, wired to features and labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank
from mmengine.logging import print_log
from numpy.typing import NDArray
from torch import Tensor

from ..errors import HCSCError
from ..registry import METRICS
from ..utils.numbers import check_positive, check_whole
from ..utils.shard import all_gather_rows
from .feature_set import FeatureSet, check_labelled
from .few_shot import (
    check_classes,
    clustered_class_mean,
    draw_episode,
    nearest_class_mean,
)
from .knn import check_neighbours, nearest_neighbours, vote
from .label_counts import count_labels, names_of
from .metric_options import SEVERAL, check_one_class, learnt_from, whole_numbers
from .svm import (
    check_both_kinds,
    check_shots,
    draw_shots,
    mean_average_precision,
    svm_scores,
)


@METRICS.register_module()
class KNN:
    """Top-1 accuracy of weighted nearest neighbours, in per cent (Wu et al., CVPR 2018).

    Args:
        k: Numbers of neighbours.
        temperature: Above 0; a neighbour weighs exp(cosine / temperature).
    """

    def __init__(self, k: Sequence[int] = (10, 20, 100, 200), temperature: float = 0.07) -> None:
        self.k, self.temperature = whole_numbers("KNN", "k", k), temperature
        check_positive("KNN", temperature=temperature)

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: are there enough images, of one class each?"""
        counts = count_labels(learnt_from(train, self))
        check_one_class(counts)
        check_neighbours(max(self.k), counts.num_images)

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'knn/top1_k<k>' for each k."""
        check_labelled(test, train)
        if test.labels.ndim != 1:
            raise HCSCError(SEVERAL)
        queries, labels = all_gather_rows(test.features), all_gather_rows(test.labels)
        neighbours = nearest_neighbours(
            train.features, train.labels, queries, max(self.k), sharded=True
        )
        return {
            f"knn/top1_k{k}": 100
            * float((vote(neighbours, k, self.temperature) == labels).double().mean())
            for k in self.k
        }


@METRICS.register_module()
class LinearSVM:
    """Linear support vector machines with cross-validated cost on unit-length features (Goyal et
    al., ICCV 2019).

    Args:
        costs: To choose from, for each class.
        num_folds: Parts that the cross-validation of the cost splits the training images into.
        seed: Seeds folds and solver.
    """

    def __init__(
        self,
        costs: Sequence[float] = tuple(4.0**power for power in range(-3, 4)),
        num_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.costs, self.num_folds, self.seed = tuple(costs), num_folds, seed
        if not self.costs:
            raise HCSCError("costs of LinearSVM is empty; give at least one")
        for cost in self.costs:
            check_positive("LinearSVM", costs=cost)
        check_whole("LinearSVM", 2, num_folds=num_folds)
        check_whole("LinearSVM", 0, seed=seed)

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: does each class have images that show it and others?"""
        counts = count_labels(learnt_from(train, self))
        for name, positive, judged in zip(
            counts.names, counts.positive, counts.judged, strict=True
        ):
            check_both_kinds(name, int(positive), int(judged))

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'svm/map' in per cent, and for one class per image 'svm/top1'."""
        names, (train_features, train_targets), (test_features, test_targets) = as_arrays(
            train, test
        )
        scores, costs = svm_scores(
            train_features,
            train_targets,
            test_features,
            costs=self.costs,
            num_folds=self.num_folds,
            seed=self.seed,
            names=names,
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
        cost: Cost C of the machine; there is too little to cross-validate.
        seed: Seeds the first draw; the next ones count on from it.
    """

    def __init__(
        self,
        shots: Sequence[int] = (1, 2, 4, 8, 16),
        num_draws: int = 5,
        cost: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.shots = whole_numbers("LowShotSVM", "shots", shots)
        (self.num_draws,) = whole_numbers("LowShotSVM", "num_draws", num_draws)
        self.cost, self.seed = cost, seed
        check_positive("LowShotSVM", cost=cost)
        check_whole("LowShotSVM", 0, seed=seed)

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: does each class have so many images?"""
        counts = count_labels(learnt_from(train, self))
        for name, positive in zip(counts.names, counts.positive, strict=True):
            check_shots(name, int(positive), max(self.shots))

    def evaluate(
        self, test: FeatureSet, train: FeatureSet, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'low_shot/map_<shots>' and 'low_shot/map_<shots>_std' over the draws, in per cent."""
        names, (train_features, train_targets), (test_features, test_targets) = as_arrays(
            train, test
        )
        metrics = {}
        for shots in self.shots:
            precisions = []
            for draw in range(self.num_draws):
                chosen = draw_shots(train_targets, shots, self.seed + draw, names)
                scores, _ = svm_scores(
                    train_features[chosen],
                    train_targets[chosen],
                    test_features,
                    costs=(self.cost,),
                    seed=self.seed,
                    names=names,
                )
                precisions.append(100 * mean_average_precision(test_targets, scores))
            metrics[f"low_shot/map_{shots}"] = float(np.mean(precisions))
            metrics[f"low_shot/map_{shots}_std"] = (
                float(np.std(precisions, ddof=1)) if self.num_draws > 1 else 0.0
            )
        return metrics


@METRICS.register_module()
class FewShot:
    """Accuracy on episodes of a few classes, learnt from a few images of each: N ways, K shots.

    Classes and images are drawn from the test set, anew in each episode and the same ones for every
    checkpoint; classes with too few images are left out. Nothing is trained.

    Args:
        ways: N, classes of an episode, at least 2; 5 by default.
        shots: Numbers K of images of a class to learn from; 1 and 5 by default.
        queries: Images of a class to classify; 15 by default.
        num_episodes: Episodes of each K, at least 2; 600 by default.
        seed: Seeds the draws.
    """

    def __init__(
        self,
        ways: int = 5,
        shots: int | Sequence[int] = (1, 5),
        queries: int = 15,
        num_episodes: int = 600,
        seed: int = 0,
    ) -> None:
        self.shots = whole_numbers("FewShot", "shots", shots)
        (self.queries,) = whole_numbers("FewShot", "queries", queries)
        self.ways, self.num_episodes, self.seed = ways, num_episodes, seed
        check_whole("FewShot", 2, ways=ways, num_episodes=num_episodes)
        check_whole("FewShot", 0, seed=seed)

    def check(self, test: BaseDataset, train: BaseDataset | None, checkpoint: str | None) -> None:
        """Before any feature is extracted: have enough classes enough images?"""
        counts = count_labels(test)
        check_one_class(counts)
        shots = max(self.shots)
        large = int((counts.positive >= shots + self.queries).sum())
        check_classes(large, self.ways, shots, self.queries)

    def evaluate(
        self, test: FeatureSet, train: FeatureSet | None = None, checkpoint: str | None = None
    ) -> dict[str, float]:
        """'few_shot/<N>way_<K>shot' of the nearest class mean and '…_transductive' of k-means over
        an episode's queries, in per cent, each with '…_ci95', half the width of its 95 % interval.
        """
        images = test.gather()
        if images.labels is None or images.labels.ndim != 1:
            raise HCSCError("FewShot needs one class per image; give a data set with labels")
        features, labels = F.normalize(images.features, dim=1), images.labels.cpu().numpy()
        metrics = {}
        for shots in self.shots:
            scores = self._scores(features, labels, shots)  # (episodes, 2)
            half = 1.96 * scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
            for place, kind in enumerate(("", "_transductive")):
                name = f"few_shot/{self.ways}way_{shots}shot{kind}"
                metrics[name] = float(scores[:, place].mean())
                metrics[f"{name}_ci95"] = float(half[place])
        return metrics

    def _scores(self, features: Tensor, labels: NDArray, shots: int) -> NDArray:
        """(episodes, 2) accuracies in per cent, inductive and transductive."""
        truth = torch.arange(self.ways).repeat_interleave(self.queries).to(features.device)
        generator = np.random.default_rng([self.seed, shots])
        scores = np.empty((self.num_episodes, 2))
        for episode in range(self.num_episodes):
            learnt, asked = draw_episode(labels, self.ways, shots, self.queries, generator)
            support, queries = features[learnt], features[asked.reshape(-1)]
            for place, classify in enumerate((nearest_class_mean, clustered_class_mean)):
                right = classify(support, queries) == truth
                scores[episode, place] = 100 * float(right.double().mean())
        return scores


def as_arrays(
    train: FeatureSet, test: FeatureSet
) -> tuple[list[str], tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Names of the C classes that training images have, and unit-length features (N, D) float32
    and targets (N, C) int8 of all ranks' training and test images.
    """
    check_labelled(train, test)
    train, test = train.gather(), test.gather()
    if train.labels.ndim == 1:
        classes = train.labels.unique()  # a number that no training image has is no class
        targets = [(one.labels[:, None] == classes).to(torch.int8) for one in (train, test)]
    else:
        classes = torch.arange(train.labels.shape[1])
        targets = [train.labels, test.labels]
    features = (F.normalize(images.features, dim=1).cpu().numpy() for images in (train, test))
    pairs = zip(features, (one.cpu().numpy() for one in targets), strict=True)
    return names_of(train.dataset, classes.cpu().numpy()), *pairs


def _histogram(costs: NDArray) -> str:
    values, counts = np.unique(costs, return_counts=True)
    return (
        ", ".join(
            f"{value:g} for {count} classes" for value, count in zip(values, counts, strict=True)
        )
        if get_rank() == 0
        else ""
    )
