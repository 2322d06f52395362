"""Category discovery against brute force over matchings, partitions and mergers; a real chain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from cases import blobs, unit_rows
from mmpretrain.registry import DATASETS
from scipy.optimize import linear_sum_assignment
from tiny import DIGITS, TINY

from hcsc_mm import HCSCError
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.clustering.ward import ward_merges
from hcsc_mm.evaluation import CategoryDiscovery, FeatureSet
from hcsc_mm.evaluation.category_discovery import (
    discovery_accuracy,
    draw_labelled,
    known_class_kmeans,
    number_of_classes,
)
from hcsc_mm.stages import Chain, ChainOptions


def brute_accuracy(assignment, labels, is_old) -> list[dict[str, float]]:
    """The scores under every matching that is right most often over all images."""
    clusters, classes = sorted(set(assignment)), sorted(set(labels))
    size = max(len(clusters), len(classes))
    padded = classes + [None] * (size - len(classes))
    best, found = -1, []
    for order in itertools.permutations(padded, len(clusters)):
        said = dict(zip(clusters, order, strict=True))
        right = [said[c] == y for c, y in zip(assignment, labels, strict=True)]
        if sum(right) >= best:
            found = found if sum(right) == best else []
            best = sum(right)
            groups = {"all": right}
            groups["old"] = [r for r, old in zip(right, is_old, strict=True) if old]
            groups["new"] = [r for r, old in zip(right, is_old, strict=True) if not old]
            found.append({k: 100 * sum(v) / len(v) for k, v in groups.items() if v})
    return found


@pytest.mark.parametrize("seed", range(12))
def test_accuracy_is_that_of_the_best_of_all_matchings(seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, 30) * 7 - 3
    assignment = generator.integers(0, 3 + seed % 3, 30) + 11
    is_old = np.isin(labels, (-3, 4))
    found = discovery_accuracy(assignment, labels, is_old)
    every = brute_accuracy(assignment.tolist(), labels.tolist(), is_old.tolist())
    assert any(found == pytest.approx(one, abs=1e-9) for one in every)


def test_accuracy_is_scipys_on_many_clusters():
    generator = np.random.default_rng(0)
    labels, assignment = generator.integers(0, 20, 3000), generator.integers(0, 33, 3000)
    labels[:2000] = assignment[:2000] % 20
    counts = np.zeros((33, 20))
    for cluster, one in zip(assignment, labels, strict=True):
        counts[cluster, one] += 1
    expected = counts[linear_sum_assignment(-counts)].sum() / 3000
    found = discovery_accuracy(assignment, labels, labels < 10)
    assert found["all"] == pytest.approx(100 * expected, abs=1e-9)
    share = (labels < 10).mean()
    assert found["all"] == pytest.approx(share * found["old"] + (1 - share) * found["new"])


def test_a_cluster_that_is_a_known_classs_is_not_free_for_a_new_one():
    labels = np.array([0] * 6 + [1] * 4)  # one cluster holds the new class and most of the old
    assignment = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    found = discovery_accuracy(assignment, labels, labels == 0)
    assert found == pytest.approx({"all": 50.0, "old": 500 / 6, "new": 0.0})
    assert discovery_accuracy(assignment[:6], labels[:6], labels[:6] == 0).keys() == {"all", "old"}


def best_partition(features, known, number) -> tuple[float, list]:
    """The smallest sum of squares over all partitions that keep labelled images in their class's
    cluster.
    """
    free = [place for place, one in enumerate(known) if one < 0]
    best = (float("inf"), None)
    for choice in itertools.product(range(number), repeat=len(free)):
        assignment = list(known)
        for place, cluster in zip(free, choice, strict=True):
            assignment[place] = cluster
        total = 0.0
        for cluster in range(number):
            own = features[[c == cluster for c in assignment]]
            total += float(((own - own.mean(axis=0)) ** 2).sum()) if len(own) else 0.0
        best = min(best, (total, assignment), key=lambda one: one[0])
    return best


def slow_k_means(features, known, start) -> tuple[float, list]:
    """The third cluster starts at one image; the others at their labelled images' means."""
    own = [[f for f, k in zip(features, known, strict=True) if k == c] for c in (0, 1)]
    centroids = [*(np.mean(one, axis=0) for one in own), features[start]]
    previous = None
    while True:
        squares = [[float(((f - c) ** 2).sum()) for c in centroids] for f in features]
        found = [
            k if k >= 0 else int(np.argmin(row)) for k, row in zip(known, squares, strict=True)
        ]
        if found == previous:
            return sum(row[c] for row, c in zip(squares, found, strict=True)), found
        previous = found
        for cluster in range(3):
            rows = [f for f, c in zip(features, found, strict=True) if c == cluster]
            centroids[cluster] = np.mean(rows, axis=0) if rows else centroids[cluster]


@pytest.mark.parametrize("seed", range(6))
def test_clusters_are_those_of_the_best_of_all_starts(seed):
    features = unit_rows(10, 3, seed=seed)
    known = torch.tensor([0, 0, 1, -1, -1, -1, -1, -1, -1, -1])
    found = known_class_kmeans(features, known, 3, num_restarts=60)
    array = features.double().numpy()
    _, expected = min(slow_k_means(array, known.tolist(), start) for start in range(3, 10))
    assert found.tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_the_best_of_all_partitions_where_classes_lie_apart(seed):
    features, labels = blobs(11, 3, 3, spread=0.25, seed=seed)
    known = torch.where(torch.arange(11) < 5, labels, -1)
    known = torch.where(labels == 2, -1, known)
    found = known_class_kmeans(features, known, 3, num_restarts=20)
    assert found.tolist() == best_partition(features.double().numpy(), known.tolist(), 3)[1]


def test_without_new_clusters_every_image_has_a_known_class():
    features, labels = blobs(60, 3, 8)
    known = torch.where(torch.arange(60) < 9, labels, -1)
    assert torch.equal(known_class_kmeans(features, known, 3), labels)
    with pytest.raises(HCSCError, match="2 clusters for 3 known classes and 51 images without"):
        known_class_kmeans(features, known, 2)
    with pytest.raises(HCSCError, match="take 3 to 54"):
        known_class_kmeans(features, known, 55)


def nodes_of(seed, number=9):
    """(N,) nodes, of which one holds no image, and (N, 3) features."""
    generator = np.random.default_rng(seed)
    node = generator.integers(0, number, 40)
    node[node == 4] = 5
    return node, generator.normal(size=(40, 3)) + 2 * unit_rows(number, 3, seed=seed)[node].numpy()


def slow_merging(node, features) -> list[list[set]]:
    """Sets of images after each merger, the cheapest of all pairs."""

    def squares(places):
        own = features[sorted(places)]
        return float(((own - own.mean(axis=0)) ** 2).sum())

    clusters = [set(np.flatnonzero(node == one)) for one in sorted(set(node.tolist()))]
    found = [list(clusters)]
    while len(clusters) > 1:
        one, other = min(
            itertools.combinations(clusters, 2),
            key=lambda pair: squares(pair[0] | pair[1]) - squares(pair[0]) - squares(pair[1]),
        )
        clusters = [c for c in clusters if c not in (one, other)] + [one | other]
        found.append(list(clusters))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_mergers_are_the_cheapest_of_all_pairs(seed):
    node, features = nodes_of(seed)
    _, node = np.unique(node, return_inverse=True)
    sizes = np.bincount(node)
    means = np.stack([features[node == one].mean(axis=0) for one in range(len(sizes))])
    clusters = {one: set(np.flatnonzero(node == one)) for one in range(len(sizes))}
    expected = slow_merging(node, features)
    for (stays, gone), after in zip(ward_merges(sizes, means), expected[1:], strict=True):
        clusters[stays] |= clusters.pop(gone)
        assert set(map(frozenset, clusters.values())) == set(map(frozenset, after))


@pytest.mark.parametrize("seed", range(8))
def test_the_number_is_the_largest_that_is_as_good_as_the_best_for_the_known_labels(seed):
    node, features = nodes_of(seed)
    generator = np.random.default_rng(seed + 50)
    labels = np.where(generator.random(40) < 0.8, node % 3, generator.integers(0, 3, 40))
    known = generator.random(40) < 0.6
    scores = {}
    for clusters in slow_merging(node, features):
        of = {place: number for number, own in enumerate(clusters) for place in own}
        own = [of[place] for place in np.flatnonzero(known)]
        if len(clusters) >= 3:  # brute_accuracy wants no cluster without images
            score = brute_accuracy(own, labels[known].tolist(), [True] * len(own))[0]["all"] / 100
            scores[len(clusters)] = score
    best = max(scores.values())
    least = best - (best * (1 - best) / known.sum()) ** 0.5
    expected = max(number for number, score in scores.items() if score >= least)
    assert number_of_classes(node, features, labels, known) == expected


def test_fewer_nodes_than_known_classes_suggest_no_more_than_these():
    node, features = np.arange(12) % 2, unit_rows(12, 3).numpy()
    assert number_of_classes(node, features, np.arange(12) % 4, np.ones(12, dtype=bool)) == 4


def labelled(features, labels) -> FeatureSet:
    return FeatureSet(features, torch.arange(len(labels)), labels, None, len(labels), None)


def test_separate_classes_are_found_and_counted(tmp_path):
    features, labels = blobs(240, 6, 16)
    narrow, _ = blobs(240, 6, 16, spread=0.01)
    features[labels >= 3] = narrow[labels >= 3]  # a new class as wide may be split first
    tree = hierarchical_kmeans(features, (24, 6, 2))
    entry = {"num_samples": 240, "hierarchy": tree.state_dict()}
    torch.save({"state_dict": {}, "hierarchical_clustering": entry}, tmp_path / "c.pth")
    metric = CategoryDiscovery(labelled_share=0.3)
    found = metric.evaluate(labelled(features, labels), checkpoint=str(tmp_path / "c.pth"))
    assert found == {
        **{f"gcd/{kind}": 100.0 for kind in ("all", "old", "new")},
        **{f"gcd/estimated/{kind}": 100.0 for kind in ("all", "old", "new")},
        "gcd/num_classes": 6,
        "gcd/num_classes_error": 0.0,
    }
    torch.save({"state_dict": {}}, tmp_path / "moco.pth")
    found = metric.evaluate(labelled(features, labels), checkpoint=str(tmp_path / "moco.pth"))
    assert found.keys() == {"gcd/all", "gcd/old", "gcd/new"}
    other = labelled(features[:200], labels[:200])  # the tree is of other images
    assert metric.evaluate(other, checkpoint=str(tmp_path / "c.pth")).keys() == found.keys()


def test_labels_are_given_to_a_share_of_each_known_class():
    labels = np.repeat([5, 7, 9], [10, 3, 20])
    chosen = draw_labelled(labels, (5, 7), 0.5, seed=1)
    assert [int(chosen[labels == one].sum()) for one in (5, 7, 9)] == [5, 2, 0]
    assert draw_labelled(np.array([1, 1, 2]), (1,), 0.01, 0).sum() == 1
    assert draw_labelled(np.array([1, 1, 2]), (1,), 0.99, 0).sum() == 1


def test_impossible_settings_are_refused_before_any_feature():
    digits = DATASETS.build(dict(type="hcsc_mm.Digits", split="test"))
    CategoryDiscovery().check(digits, None, None)
    with pytest.raises(HCSCError, match="no image has the label 10; set old_classes"):
        CategoryDiscovery(old_classes=(0, 10)).check(digits, None, None)
    with pytest.raises(HCSCError, match="of 10 classes 10 are known"):
        CategoryDiscovery(old_classes=range(10)).check(digits, None, None)
    with pytest.raises(HCSCError, match=r"labelled_share=1 of CategoryDiscovery must lie in"):
        CategoryDiscovery(labelled_share=1)


def test_it_is_a_stage_of_a_chain(tmp_path):
    (tmp_path / "pretraining.py").write_text(
        f"_base_ = [{str(DIGITS)!r}]\n"
        f"stages = [{str(DIGITS.parent / 'benchmarks' / 'gcd_digits.py')!r}]\n"
    )
    options = ChainOptions(
        str(tmp_path / "run"),
        cfg_options={**TINY, "log_level": "WARNING"},
        stage_options={"gcd.test_dataloader.dataset.indices": 100, "gcd.log_level": "WARNING"},
    )
    (result,) = Chain(str(tmp_path / "pretraining.py"), options).run()
    assert {"gcd/all", "gcd/new", "gcd/num_classes", "gcd/estimated/old"} <= result.metrics.keys()
    assert 5 <= result.metrics["gcd/num_classes"] <= 12
