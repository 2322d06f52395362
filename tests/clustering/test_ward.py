"""Ward's method against SciPy's and scikit-learn's."""

import numpy as np
import pytest
import torch
from cases import blobs, unit_rows
from scipy.cluster.hierarchy import linkage
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from hcsc_mm.clustering import hierarchical_kmeans, kmeans
from hcsc_mm.clustering.ward import ward_centroids, ward_merges


def test_mergers_of_single_images_are_scipys():
    features = unit_rows(50, 4).double().numpy()
    expected = linkage(features, "ward")
    clusters = {one: frozenset([one]) for one in range(50)}
    known = dict(clusters)  # scipy's numbers
    merges = ward_merges(np.ones(50, dtype=int), features)
    for step, (stays, gone) in enumerate(merges):
        known[50 + step] = known[int(expected[step, 0])] | known[int(expected[step, 1])]
        clusters[stays] |= clusters.pop(gone)
        assert clusters[stays] == known[50 + step]


@pytest.mark.parametrize("seed", range(4))
def test_points_with_sizes_are_merged_as_so_many_equal_points(seed):
    points = unit_rows(40, 5, seed=seed)
    sizes = torch.randint(1, 9, (40,), generator=torch.Generator().manual_seed(seed))
    found = ward_centroids(points, 7, sizes)
    repeated = points.repeat_interleave(sizes, dim=0)
    merged = AgglomerativeClustering(7).fit_predict(repeated.numpy())
    means = torch.stack([repeated[torch.from_numpy(merged == k)].mean(dim=0) for k in range(7)])
    distance = torch.cdist(found, means)
    assert sorted(distance.argmin(dim=1).tolist()) == list(range(7))
    assert distance.min(dim=1).values.max() < 1e-5


def test_points_of_size_one_are_those_without_sizes():
    points = unit_rows(30, 5)
    one, other = ward_centroids(points, 6), ward_centroids(points, 6, torch.ones(30).long())
    torch.testing.assert_close(one[one[:, 0].argsort()], other[other[:, 0].argsort()])


def test_upper_levels_begin_with_clusters_that_weigh_prototypes_by_their_images():
    features, _ = blobs(900, 60, 16, spread=0.25)
    tree = hierarchical_kmeans(features, (60, 12, 4), seeding="ward")
    sizes = torch.bincount(tree.assignment.long(), minlength=60)
    for level, number in ((1, 12), (2, 4)):
        below = tree.prototypes[level - 1]
        init = ward_centroids(below, number, sizes)
        expected = kmeans(below, number, init=init).assignment
        assert torch.equal(tree.parents[level - 1].long(), expected)
        sizes = torch.zeros(number).long().index_add_(0, expected, sizes)
    assert int(sizes.sum()) == 900


def test_a_level_of_ward_s_seeds_is_near_ward_s_own_cut_of_all_images():
    features, groups = blobs(600, 40, 16, spread=0.1)
    tree = hierarchical_kmeans(features, (80, 40), seeding="ward")
    assert adjusted_rand_score(groups, tree.path(torch.arange(600))[1]) == pytest.approx(1)
