"""What the feature loop measures, on one rank and on two."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import distributed_workers as workers
import numpy as np
import pytest
import torch
from cases import unit_rows
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    average_precision_score,
    normalized_mutual_info_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from hcsc_mm import HCSCError
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.evaluation import KNN, Clustering, FeatureSet, HierarchyScores, LinearSVM


def images(
    number: int, seed: int = 0, num_classes: int = 5, noise: float = 0.6, coarse: bool = True
) -> FeatureSet:
    labels = torch.arange(number) % num_classes
    features = (
        noise * unit_rows(number, 12, seed=seed) + 0.7 * unit_rows(num_classes, 12, seed=7)[labels]
    )
    return FeatureSet(
        features, torch.arange(number), labels, labels // 3 if coarse else None, number, None
    )


def test_two_ranks_find_what_one_does(tmp_path):
    alone = workers.measure_features()
    assert len(alone) == 3 + 2 + 4 + 20
    for rank in workers.run_on_ranks([workers.measure_features], 2, tmp_path):
        assert rank["measure_features"] == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("k", [1, 20, 61])
def test_knn_accuracy_is_scikit_learns(k):
    train, test = images(61), images(23, seed=1, noise=2.0)
    reference = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
    )
    score = reference.fit(train.features.double().numpy(), train.labels).score(
        test.features.double().numpy(), test.labels
    )
    assert KNN(k=(k,)).evaluate(test, train) == {
        f"knn/top1_k{k}": pytest.approx(100 * score, abs=1e-6)
    }


def test_more_neighbours_than_training_images_are_an_error_that_says_how_many_there_are():
    with pytest.raises(HCSCError, match=r"k=200 must lie in \[1, 61\]"):
        KNN().evaluate(images(23), images(61))


def test_svm_map_and_accuracy_are_scikit_learns():
    train, test = images(61), images(23, seed=1, noise=2.0)
    unit = [torch.nn.functional.normalize(one.features, dim=1).numpy() for one in (train, test)]
    machines = [
        LinearSVC(C=0.5, class_weight={True: 2, False: 1}, max_iter=2000, random_state=0).fit(
            unit[0], train.labels.numpy() == c
        )
        for c in range(5)
    ]
    scores = np.stack([machine.decision_function(unit[1]) for machine in machines], axis=1)
    precision = [average_precision_score(test.labels.numpy() == c, scores[:, c]) for c in range(5)]
    found = LinearSVM(costs=(0.5,)).evaluate(test, train)
    assert found["svm/map"] == pytest.approx(100 * np.mean(precision), abs=1e-6)
    assert found["svm/top1"] == pytest.approx(
        100 * np.mean(scores.argmax(axis=1) == test.labels.numpy()), abs=1e-6
    )


def test_separate_clusters_are_scored_as_scikit_learn_scores_them():
    train = images(60, noise=0.05)
    clusters = KMeans(5, n_init=10, random_state=0).fit_predict(
        torch.nn.functional.normalize(train.features, dim=1).numpy()
    )
    found = Clustering(num_clusters=(5,)).evaluate(train)
    for kind, labels in (("", train.labels), ("coarse/", train.coarse_labels)):
        for name, score in (
            ("ami", adjusted_mutual_info_score),
            ("nmi", normalized_mutual_info_score),
            ("ari", adjusted_rand_score),
        ):
            assert found[f"clustering/5/{kind}{name}"] == pytest.approx(
                score(labels, clusters), abs=1e-6
            )
    assert found["clustering/5/accuracy"] == found["clustering/5/coarse/purity"] == 1


def saved(tmp_path, train: FeatureSet, **changes) -> str:
    hierarchy = hierarchical_kmeans(torch.nn.functional.normalize(train.features, dim=1), (5, 2))
    entry = {"num_samples": train.num_samples, "hierarchy": hierarchy.state_dict(), **changes}
    torch.save({"state_dict": {}, "hierarchical_clustering": entry}, tmp_path / "checkpoint.pth")
    return str(tmp_path / "checkpoint.pth")


def test_each_level_of_the_hierarchy_is_scored(tmp_path):
    train = images(60, noise=0.05)
    found = HierarchyScores().evaluate(train, checkpoint=saved(tmp_path, train))
    assert found["hierarchy/0_5/ami"] == pytest.approx(1)
    assert found["hierarchy/0_5/coarse/purity"] == 1
    assert 0 < found["hierarchy/1_2/ami"] < 1
    assert found["hierarchy/leaf_purity"] == found["hierarchy/0_5/purity"] == 1
    assert 0 < found["hierarchy/coarse/dendrogram_purity"] <= 1
    assert len(found) == 24


def test_the_hierarchy_of_images_that_could_be_read_is_scored_without_the_others(tmp_path):
    train = images(60, noise=0.05)
    checkpoint = saved(tmp_path, train)
    rows = torch.tensor([row for row in range(60) if row % 7])
    some = FeatureSet(train.features[rows], rows, train.labels[rows], None, 60, None)
    assert HierarchyScores().evaluate(some, checkpoint=checkpoint)["hierarchy/0_5/accuracy"] == 1


def test_the_hierarchy_of_another_data_set_is_refused(tmp_path):
    train = images(60)
    with pytest.raises(
        HCSCError, match="is of 59 training images, and the data set under test has 60"
    ):
        HierarchyScores().evaluate(train, checkpoint=saved(tmp_path, train, num_samples=59))


def test_a_checkpoint_without_hierarchy_has_no_level_scores(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "moco.pth")
    assert HierarchyScores().evaluate(images(10), checkpoint=str(tmp_path / "moco.pth")) == {}


def test_images_of_several_classes_have_no_nearest_class():
    several = FeatureSet(
        unit_rows(4, 3), torch.arange(4), torch.eye(4, dtype=torch.int8), None, 4, None
    )
    with pytest.raises(HCSCError, match="one class per image"):
        KNN(k=(1,)).evaluate(several, several)


@pytest.mark.parametrize(
    "metric", [KNN(k=(1,)), LinearSVM(), Clustering(num_clusters=(2,)), HierarchyScores()]
)
def test_images_without_labels_are_refused_by_what_compares_with_labels(metric):
    bare = dataclasses.replace(images(10), labels=None, coarse_labels=None)
    with pytest.raises(HCSCError, match=r"have no labels \(gt_label\)"):
        metric.evaluate(bare, bare, None)
    assert bare.gather().labels is None


@pytest.mark.parametrize("metric", [KNN(k=(5,)), LinearSVM(costs=(1.0,))], ids=["knn", "svm"])
def test_numbers_do_not_follow_how_large_labels_are(metric):
    def scores(factor):
        train, test = (
            replace(images(number, seed), labels=(torch.arange(number) % 5) * factor)
            for number, seed in ((61, 0), (23, 1))
        )
        return metric.evaluate(test, train)

    assert scores(10**11) == scores(1)
