"""k-means, both back ends: objective, assignment, odd inputs."""

import importlib
import importlib.util
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import blobs, unit_rows
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score

from hcsc_mm import HCSCError
from hcsc_mm.clustering import faiss_kmeans, kmeans
from hcsc_mm.clustering.lloyd import lloyd
from hcsc_mm.clustering.nearest import nearest_centroid
from hcsc_mm.clustering.seeding import (
    different_numbers,
    greedy_seeds,
    sample_rows,
    seed_centroids,
    seeds_in_rounds,
)

faiss_missing = importlib.util.find_spec("faiss") is None
BACKENDS = [
    pytest.param(kmeans, id="torch"),
    pytest.param(
        faiss_kmeans, id="faiss", marks=pytest.mark.skipif(faiss_missing, reason="no FAISS")
    ),
]
both = pytest.mark.parametrize("cluster", BACKENDS)


def assert_consistent(features, result, num_clusters):
    """Every row is with its nearest centroid, at the distance that is told."""
    points, centroids = features.double().numpy(), result.centroids.double().numpy()
    assert centroids.shape == (num_clusters, features.shape[1])
    assert np.isfinite(centroids).all()
    distances = ((points[:, None] - centroids[None]) ** 2).sum(axis=2)  # (N, K)
    assigned = distances[np.arange(len(points)), result.assignment.numpy()]
    assert result.assignment.dtype == torch.int64
    np.testing.assert_allclose(result.squared_distance.numpy(), assigned, rtol=1e-4, atol=1e-12)
    assert (assigned <= distances.min(axis=1) + 1e-6).all()


@both
def test_objective_on_blobs_is_that_of_scikit_learn(cluster):
    features, _ = blobs(600, 12, 16, spread=0.1)
    reference = KMeans(12, n_init=5, random_state=0).fit(features.numpy()).inertia_
    assert cluster(features, 12).squared_distance.sum().item() <= 1.001 * reference


@both
def test_objective_without_structure_is_close_to_that_of_scikit_learn(cluster):
    features = unit_rows(500, 8)
    reference = KMeans(20, n_init=5, random_state=0).fit(features.numpy()).inertia_
    assert cluster(features, 20).squared_distance.sum().item() <= 1.03 * reference


@both
def test_separate_blobs_are_found(cluster):
    features, blob = blobs(200, 8, 16)
    assignment = cluster(features, 8).assignment
    assert len(set(zip(blob.tolist(), assignment.tolist(), strict=True))) == 8


@both
def test_centroids_are_the_means_of_their_members_once_converged(cluster):
    features, _ = blobs(200, 8, 16)
    result = cluster(features, 8)
    for k in range(8):
        torch.testing.assert_close(
            result.centroids[k], features[result.assignment == k].mean(dim=0), atol=1e-5, rtol=0
        )


@both
@pytest.mark.parametrize("num_clusters", [1, 2, 7, 50])
def test_assignment_is_nearest_and_distance_is_exact(cluster, num_clusters):
    features = unit_rows(300, 5)
    assert_consistent(features, cluster(features, num_clusters, num_restarts=2), num_clusters)


@both
def test_distance_is_exact_for_rows_very_close_to_their_centroid(cluster):
    features, _ = blobs(60, 6, 64, spread=1e-6)
    result = cluster(features, 6)
    assert_consistent(features, result, 6)
    assert result.squared_distance.max() < 1e-9


def test_rows_in_several_chunks_are_assigned_as_in_one(monkeypatch):
    features = unit_rows(100, 5)
    whole = kmeans(features, 7, num_restarts=1)
    monkeypatch.setattr(
        importlib.import_module("hcsc_mm.clustering.nearest"), "_CPU_CHUNK_FLOATS", 60
    )
    parts = kmeans(features, 7, num_restarts=1)
    assert torch.equal(whole.assignment, parts.assignment)
    assert torch.equal(whole.squared_distance, parts.squared_distance)


@pytest.mark.parametrize("num_centroids", [1, 2, 127, 128, 129, 300])
def test_nearest_centroid_is_that_of_float64_in_any_number_of_blocks(num_centroids):
    rows, centroids = unit_rows(200, 16), unit_rows(num_centroids, 16, seed=3)
    index, distance = nearest_centroid(rows, centroids)
    exact = torch.cdist(rows.double(), centroids.double())
    assert torch.equal(index, exact.argmin(dim=1))
    torch.testing.assert_close(distance.double(), exact.amin(dim=1).square(), atol=1e-6, rtol=1e-5)


def test_centroids_that_float32_cannot_tell_apart_are_told_apart():
    # Two centroids at nearly the same distance of every row: rounding errors of float32 are larger
    # than what separates them.
    rows = unit_rows(500, 256)
    axis = unit_rows(1, 256, seed=1)
    centroids = torch.cat([axis, axis + 1e-7 * unit_rows(1, 256, seed=2)])
    exact = torch.cdist(
        rows.double(), centroids.double(), compute_mode="donot_use_mm_for_euclid_dist"
    ).argmin(dim=1)
    in_float32 = (centroids.square().sum(dim=1) / 2 - rows @ centroids.T).argmin(dim=1)
    assert not torch.equal(in_float32, exact)
    assert torch.equal(nearest_centroid(rows, centroids)[0], exact)


def test_of_equal_centroids_the_first_is_taken():
    centroids = unit_rows(3, 16).repeat(60, 1)  # in different blocks, too
    assert nearest_centroid(unit_rows(50, 16, seed=4), centroids)[0].max() <= 2


@both
def test_one_cluster_is_the_mean(cluster):
    features = unit_rows(50, 4)
    result = cluster(features, 1)
    torch.testing.assert_close(result.centroids[0], features.mean(dim=0), atol=1e-6, rtol=1e-5)
    assert result.assignment.eq(0).all()


@both
def test_as_many_clusters_as_rows_gives_each_row_its_own(cluster):
    features = unit_rows(30, 4)
    result = cluster(features, 30)
    assert result.assignment.unique().numel() == 30
    assert result.squared_distance.max() < 1e-10


@both
@pytest.mark.parametrize("num_clusters", [1, 3, 20])
def test_constant_features_end_with_finite_centroids(cluster, num_clusters):
    features = unit_rows(1, 6).repeat(20, 1)
    result = cluster(features, num_clusters)
    assert_consistent(features, result, num_clusters)
    torch.testing.assert_close(result.centroids[result.assignment], features, atol=1e-5, rtol=0)


@both
def test_duplicates_fewer_than_clusters_end_with_no_distance(cluster):
    features = unit_rows(4, 6).repeat(10, 1)  # 40 rows, 4 different ones
    result = cluster(features, 9)
    assert_consistent(features, result, 9)
    assert result.squared_distance.max() < 1e-4


@both
def test_init_is_where_the_only_run_starts(cluster):
    # Corners of a wide rectangle: top and bottom is a poor clustering (objective 100) that Lloyd's
    # algorithm cannot leave.
    corners = torch.tensor([[-5.0, 1.0], [5.0, 1.0], [-5.0, -1.0], [5.0, -1.0]])
    start = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    result = cluster(corners, 2, init=start)
    assert result.assignment.tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(result.centroids, start)
    assert cluster(corners, 2).squared_distance.sum().item() == pytest.approx(4)


@both
def test_init_is_left_as_it_was(cluster):
    features, _ = blobs(60, 3, 8)
    start = unit_rows(3, 8, seed=7)
    copy = start.clone()
    cluster(features, 3, init=start)
    assert torch.equal(start, copy)


@both
def test_empty_clusters_get_members(cluster):
    features, _ = blobs(80, 4, 8, spread=0.1)
    start = torch.cat([features.mean(dim=0, keepdim=True), 1e3 * unit_rows(3, 8, seed=5)])
    result = cluster(features, 4, init=start)
    assert torch.bincount(result.assignment, minlength=4).min() > 0
    assert_consistent(features, result, 4)


def test_empty_clusters_move_to_the_farthest_rows_the_farthest_first():
    rows = torch.tensor([[0.0], [0.1], [9.0], [-7.0], [0.2]])
    start = torch.tensor([[0.0], [1e3], [-1e3]])
    once = kmeans(rows, 3, init=start, num_iterations=1)
    assert once.centroids.squeeze(1).tolist() == pytest.approx([2.3 / 5, 9.0, -7.0], abs=1e-6)
    assert kmeans(rows, 3, init=start).centroids.squeeze(1).tolist() == pytest.approx(
        [0.1, 9.0, -7.0], abs=1e-6
    )


@both
def test_the_same_seed_gives_the_same_result_and_another_one_another(cluster):
    features = unit_rows(300, 8)
    one, two = (
        cluster(features, 20, num_restarts=1, seed=3),
        cluster(features, 20, num_restarts=1, seed=3),
    )
    assert torch.equal(one.centroids, two.centroids)
    assert torch.equal(one.assignment, two.assignment)
    other = cluster(features, 20, num_restarts=1, seed=4)
    assert not torch.equal(one.centroids, other.centroids)


@both
def test_the_random_state_of_the_process_is_neither_read_nor_moved(cluster):
    features = unit_rows(100, 8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = cluster(features, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(one.centroids, cluster(features, 5).centroids)


@both
def test_more_restarts_are_never_worse(cluster):
    features = unit_rows(200, 8)
    objectives = [
        cluster(features, 15, num_restarts=restarts).squared_distance.sum().item()
        for restarts in (1, 3, 6)
    ]
    assert objectives[1] <= objectives[0] * (1 + 1e-5)
    assert objectives[2] <= objectives[1] * (1 + 1e-5)


def test_iterations_end_once_no_row_moves(monkeypatch):
    module = importlib.import_module("hcsc_mm.clustering.kmeans")
    plain, calls = nearest_centroid, []
    monkeypatch.setattr(
        module,
        "nearest_centroid",
        lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs),
    )
    features, _ = blobs(100, 4, 8)
    kmeans(features, 4, num_iterations=500, num_restarts=1)
    assert 2 <= len(calls) < 20


@both
def test_the_objective_does_not_rise_with_iterations(cluster):
    features, start = unit_rows(300, 8), unit_rows(20, 8, seed=1)
    objectives = [
        cluster(features, 20, init=start, num_iterations=n).squared_distance.sum().item()
        for n in (1, 2, 5, 20)
    ]
    assert all(later <= earlier * (1 + 1e-5) for earlier, later in pairwise(objectives))


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_clustered_in_float32(cluster, dtype):
    features, blob = blobs(60, 3, 8)
    result = cluster(features.to(dtype).requires_grad_(), 3)
    assert result.centroids.dtype == torch.float32
    assert not result.centroids.requires_grad
    assert len(set(zip(blob.tolist(), result.assignment.tolist(), strict=True))) == 3


@both
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(cluster, value):
    features = unit_rows(10, 4)
    features[3, 1] = value
    with pytest.raises(HCSCError, match="NaN or infinite"):
        cluster(features, 2)


@both
@pytest.mark.parametrize("num_clusters", [0, -1, 11])
def test_a_number_of_clusters_outside_of_the_rows_is_refused_with_both_numbers(
    cluster, num_clusters
):
    with pytest.raises(HCSCError, match=rf"num_clusters={num_clusters} .*\[1, 10\]"):
        cluster(unit_rows(10, 4), num_clusters)


@both
def test_init_of_another_shape_is_refused(cluster):
    with pytest.raises(HCSCError, match=r"init must be \(3, 4\), got \(2, 4\)"):
        cluster(unit_rows(10, 4), 3, init=unit_rows(2, 4))


@both
@pytest.mark.parametrize(
    "features",
    [torch.zeros(10), torch.zeros(2, 3, 4), torch.zeros(10, 4, dtype=torch.long)],
    ids=["1d", "3d", "int"],
)
def test_features_that_are_no_float_matrix_are_refused(cluster, features):
    with pytest.raises(HCSCError, match="features must be"):
        cluster(features, 2)


def test_seeds_are_different_rows_of_the_features():
    features = unit_rows(40, 5)
    (seeds,) = seed_centroids(features, 40, [0])
    matches = (seeds[:, None] == features[None]).all(dim=2)
    assert matches.sum(dim=1).eq(1).all()
    assert matches.sum(dim=0).eq(1).all()


def test_seeds_reach_every_one_of_many_separate_blobs():
    features, blob = blobs(400, 20, 16, spread=1e-3)
    for chosen in greedy_seeds(
        features, 20, [torch.Generator().manual_seed(seed) for seed in range(5)]
    ):
        assert blob[chosen].unique().numel() == 20


def test_a_restart_s_seeds_do_not_depend_on_the_restarts_beside_it():
    features = unit_rows(200, 8)
    together = seed_centroids(features, 20, [4, 5, 6])
    assert all(
        torch.equal(*seed_centroids(features, 20, [seed]), seeds)
        for seed, seeds in zip((4, 5, 6), together, strict=True)
    )


@pytest.mark.parametrize("size", [1, 1000])
def test_a_few_of_very_many_numbers_are_different_and_from_everywhere(size):
    number = 2**40
    drawn = different_numbers(number, size, torch.Generator().manual_seed(0))
    assert drawn.unique().numel() == len(drawn) == size
    assert int(drawn.min()) >= 0 and int(drawn.max()) < number
    if size > 1:
        assert abs(float(drawn.double().mean()) / number - 0.5) < 0.05
        assert not torch.equal(drawn, drawn.sort().values)
    assert torch.equal(drawn, different_numbers(number, size, torch.Generator().manual_seed(0)))


def test_seeds_drawn_in_rounds_are_different_rows_even_of_duplicates():
    features = unit_rows(10, 8).repeat(30, 1)
    for number in (1, 2, 33, 300):
        (chosen,) = seeds_in_rounds(features, number, [torch.Generator().manual_seed(0)])
        assert chosen.shape == (number,)
        assert chosen.unique().numel() == number


def test_seeds_drawn_in_rounds_reach_nearly_every_one_of_many_separate_blobs():
    features, blob = blobs(3000, 30, 16, spread=1e-3)
    (chosen,) = seeds_in_rounds(features, 60, [torch.Generator().manual_seed(0)])
    assert blob[chosen].unique().numel() == 30


@both
def test_restarts_on_a_sample_end_as_low_as_restarts_on_all_rows(cluster):
    features, _ = blobs(6000, 40, 16, spread=0.3)
    found = cluster(features, 200).squared_distance.sum().item()
    reference = min(
        KMeans(200, init="random", n_init=1, max_iter=20, random_state=seed)
        .fit(features.numpy())
        .inertia_
        for seed in range(5)
    )
    assert found <= 1.005 * reference


def test_faiss_that_is_not_installed_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(HCSCError, match=r"pip install faiss-cpu.*backend='torch'"):
        faiss_kmeans(unit_rows(10, 4), 2)


@both
@pytest.mark.parametrize("rows", [900, 6000])  # less and more than what k-means++ samples
def test_from_random_rows_every_restart_is_a_full_run_on_all_rows(cluster, rows):
    """Those of scikit-learn from the same rows; it stops at no smaller gain either."""
    features, restarts = unit_rows(rows, 6), 3
    found = cluster(features, 25, num_restarts=restarts, seed=4, seeding="random")
    points = features.double().numpy()
    runs = [
        KMeans(
            25,
            init=sample_rows(features, rows, 25, 4 + restart).double().numpy(),
            n_init=1,
            max_iter=20,
            tol=0,
            algorithm="lloyd",
        ).fit(points)
        for restart in range(restarts)
    ]
    best = min(runs, key=lambda run: run.inertia_)
    assert found.squared_distance.sum().item() == pytest.approx(best.inertia_, rel=1e-3)
    assert (found.assignment.numpy() == best.labels_).mean() > 0.98


@both
def test_random_rows_come_to_other_clusters_than_kmeans_plus_plus(cluster):
    features, _ = blobs(3000, 60, 16, spread=0.05)
    objectives = {
        seeding: cluster(features, 60, seeding=seeding).squared_distance.sum().item()
        for seeding in ("random", "k-means++")
    }
    assert objectives["random"] > 1.2 * objectives["k-means++"]  # some blobs have no seed


@both
def test_from_wards_clusters_there_is_one_run(cluster):
    """From scikit-learn's means, to a smaller sum of squares than from k-means++ seeds."""
    features = F.normalize(
        unit_rows(700, 16) + 0.4 * unit_rows(70, 16, seed=1).repeat(10, 1), dim=1
    )
    found = cluster(features, 70, seeding="ward")
    merged = AgglomerativeClustering(70).fit_predict(features.numpy())
    means = torch.stack([features[torch.from_numpy(merged == k)].mean(dim=0) for k in range(70)])
    alone = cluster(features, 70, init=means)
    assert torch.equal(found.assignment, alone.assignment)
    torch.testing.assert_close(found.centroids, alone.centroids)
    others = cluster(features, 70).squared_distance.sum()
    assert found.squared_distance.sum() < others


@both
def test_of_many_rows_a_sample_is_merged(cluster):
    features, groups = blobs(5000, 20, 8, spread=0.05)
    found = cluster(features, 20, seeding="ward")
    assert adjusted_rand_score(groups, found.assignment) == 1


def test_more_clusters_than_rows_are_merged_are_refused():
    with pytest.raises(HCSCError, match="merges 4096 rows at most into clusters, and 4097 are"):
        kmeans(unit_rows(4200, 4), 4097, seeding="ward")


@both
def test_seeds_of_an_unknown_kind_are_refused(cluster):
    with pytest.raises(
        HCSCError, match=r"seeding='kmeans' is unknown; choose one of 'k-means\+\+'"
    ):
        cluster(unit_rows(20, 4), 3, seeding="kmeans")


def test_from_random_rows_an_empty_cluster_takes_half_of_a_large_one():
    """Two groups; three of five first centroids lie where no row is nearest to them."""
    features = torch.cat([torch.full((9, 4), 1.0), torch.full((3, 4), -1.0)])
    features += 0.01 * unit_rows(12, 4)
    start = torch.tensor([[1.0] * 4, [-1.0] * 4, [5.0] * 4, [6.0] * 4, [7.0] * 4])
    nearest = partial(nearest_centroid, memory_mb=64)
    halves = lloyd(features, start, 1, nearest, tolerance=0.0, splits=True).centroids
    means = torch.stack([features[:9].mean(dim=0), features[9:].mean(dim=0)])
    between = torch.cdist(halves, means)
    assert (between.amin(dim=1) < 0.02).all()  # nobody left for the farthest row
    assert (between.argmin(dim=1) == 0).sum() >= 3  # of nine rows and three, most halves are large
    pairs = torch.cdist(halves, halves).fill_diagonal_(1)
    assert (pairs > 0).all()  # halves lie apart


@pytest.mark.skipif(faiss_missing, reason="no FAISS")
def test_refilled_as_in_faiss_a_run_from_the_same_rows_ends_as_low():
    """Groups of eight rows, as many centroids from random rows: a third of the groups has none."""
    import faiss

    centres = unit_rows(200, 16)
    features = (centres.repeat_interleave(8, 0) + 0.05 * unit_rows(1600, 16, seed=3)).contiguous()
    gaps = []
    for seed in range(8):
        start = sample_rows(features, 1600, 200, seed)
        nearest = partial(nearest_centroid, memory_mb=64)
        ours = lloyd(features, start, 20, nearest, tolerance=0.0, splits=True).objective
        theirs = faiss.Kmeans(16, 200, niter=20, nredo=1, min_points_per_centroid=1)
        theirs.train(features.numpy(), init_centroids=start.numpy())
        gaps.append(theirs.index.search(features.numpy(), 1)[0].sum() / ours - 1)
    assert abs(np.mean(gaps)) < 0.03


@both
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_clusters": 3.0}, "num_clusters=3.0 of k-means must be a whole number"),
        ({"num_iterations": -1}, "num_iterations=-1 of k-means must be .* at least 0"),
        ({"num_restarts": 0}, "num_restarts=0 of k-means must be .* at least 1"),
        ({"init": torch.full((3, 4), float("nan"))}, "init contains NaN"),
        ({"features": torch.ones(9, 0)}, r"must be \(N, D\) floating point, got \(9, 0\)"),
    ],
)
def test_numbers_that_make_no_clustering_are_refused(cluster, options, message):
    with pytest.raises(HCSCError, match=message):
        cluster(**{"features": unit_rows(9, 4), "num_clusters": 3, **options})
