"""Agreement of clusters with labels."""

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn import metrics

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import clustering_scores


@pytest.fixture
def random_case():
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=80)
    return np.where(generator.random(80) < 0.6, labels, generator.integers(6, size=80)), labels


def test_the_perfect_clustering_scores_one_whatever_its_numbers():
    labels = np.arange(60) % 5
    assert clustering_scores(np.array([7, 0, 33, 2, 5])[labels], labels) == pytest.approx(
        {"ami": 1, "nmi": 1, "ari": 1, "purity": 1, "accuracy": 1}
    )


def test_information_and_rand_index_are_scikit_learn_s(random_case):
    assignment, labels = random_case
    scores = clustering_scores(assignment, labels)
    assert scores["ami"] == pytest.approx(metrics.adjusted_mutual_info_score(labels, assignment))
    assert scores["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, assignment))
    assert scores["ari"] == pytest.approx(metrics.adjusted_rand_score(labels, assignment))


def test_purity_by_hand():
    # Cluster 0: classes 0 0 1, majority 2. Cluster 1: classes 1 1 1 2, majority 3. Cluster 2: class
    # 2, majority 1.
    assert clustering_scores([0, 0, 0, 1, 1, 1, 1, 2], [0, 0, 1, 1, 1, 1, 2, 2])[
        "purity"
    ] == pytest.approx(6 / 8)


def test_accuracy_is_that_of_the_best_of_all_matchings(random_case):
    assignment, labels = random_case
    best = max(
        np.mean(
            [matching[cluster] == label for cluster, label in zip(assignment, labels, strict=True)]
        )
        for matching in permutations(range(6))
    )
    assert clustering_scores(assignment, labels)["accuracy"] == pytest.approx(best)


def test_more_clusters_than_classes_raise_purity_but_not_accuracy():
    scores = clustering_scores(np.arange(12), np.arange(12) % 3)
    assert scores["purity"] == 1
    assert scores["accuracy"] == pytest.approx(3 / 12)


def test_one_cluster_says_nothing():
    scores = clustering_scores(np.zeros(12), np.arange(12) % 3)
    assert scores == pytest.approx(
        {"ami": 0, "nmi": 0, "ari": 0, "purity": 1 / 3, "accuracy": 1 / 3}, abs=1e-9
    )


def test_tensors_and_lists_are_taken(random_case):
    assignment, labels = random_case
    expected = clustering_scores(assignment, labels)
    assert clustering_scores(torch.from_numpy(assignment), labels.tolist()) == expected


@pytest.mark.parametrize(
    ("assignment", "labels"),
    [([0, 1], [0]), ([], []), ([[0, 1]], [[0, 1]])],
    ids=["lengths", "empty", "2d"],
)
def test_inputs_that_do_not_fit_are_refused(assignment, labels):
    with pytest.raises(HCSCError, match="equally long and not empty"):
        clustering_scores(assignment, labels)
