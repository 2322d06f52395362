"""From features to the tree."""

import importlib.util
import sys

import oracles
import pytest
import torch
import torch.nn.functional as F
from cases import blobs, random_hierarchy, unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.clustering import check_num_prototypes, hierarchical_kmeans, kmeans, resolve_backend

needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="no FAISS")
backends = pytest.mark.parametrize("backend", ["torch", pytest.param("faiss", marks=needs_faiss)])


@backends
@pytest.mark.parametrize("num_prototypes", [(2,), (10,), (20, 8), (30, 12, 5), (40, 20, 10, 5, 2)])
def test_any_number_of_levels_has_the_wanted_shapes(backend, num_prototypes):
    features = unit_rows(101, 8)
    hierarchy = hierarchical_kmeans(features, num_prototypes, backend=backend)
    assert hierarchy.num_prototypes == num_prototypes
    assert hierarchy.num_samples == 101
    for concentrations in hierarchy.concentrations:
        assert concentrations.mean().item() == pytest.approx(0.2, rel=1e-5)


@backends
def test_an_image_s_prototype_is_the_parent_of_its_prototype_one_level_below(backend):
    hierarchy = hierarchical_kmeans(unit_rows(150, 8), (30, 12, 5), backend=backend)
    path = hierarchy.path(torch.arange(150))
    assert torch.equal(path[0], hierarchy.assignment.long())
    for level, parents in enumerate(hierarchy.parents):
        assert torch.equal(path[level + 1], parents.long()[path[level]])


@backends
def test_levels_are_kmeans_of_the_level_below_and_concentrations_are_of_raw_centroids(
    backend,
):
    features = unit_rows(150, 8)
    hierarchy = hierarchical_kmeans(features, (30, 12), backend=backend, temperature=0.1)
    for members, assignment, level in (
        (features, hierarchy.assignment, 0),
        (hierarchy.prototypes[0], hierarchy.parents[0], 1),
    ):
        number = hierarchy.num_prototypes[level]
        means = torch.stack([members[assignment == k].mean(dim=0) for k in range(number)])
        torch.testing.assert_close(
            hierarchy.prototypes[level], F.normalize(means, dim=1), atol=0.05, rtol=0
        )
        if backend == "torch":  # converged: the means are the centroids themselves
            distance = (members - means[assignment.long()]).norm(dim=1)
            expected = torch.from_numpy(
                oracles.concentration(distance, assignment, number, temperature=0.1)
            ).float()
            torch.testing.assert_close(
                hierarchy.concentrations[level], expected, rtol=1e-3, atol=1e-4
            )


@backends
def test_nested_blobs_become_the_tree_that_they_are(backend):
    coarse = unit_rows(3, 32, seed=4)
    fine = F.normalize(coarse.repeat_interleave(4, dim=0) + 0.08 * unit_rows(12, 32, seed=5), dim=1)
    features = F.normalize(fine.repeat(10, 1) + 0.005 * unit_rows(120, 32, seed=6), dim=1)
    hierarchy = hierarchical_kmeans(features, (12, 3), backend=backend)
    path = hierarchy.path(torch.arange(120))
    truth = torch.arange(120) % 12
    assert len(set(zip(truth.tolist(), path[0].tolist(), strict=True))) == 12
    assert len(set(zip((truth // 4).tolist(), path[1].tolist(), strict=True))) == 3
    assert torch.equal(hierarchy.assign(features)[0], path[0])


@backends
def test_the_same_seed_gives_the_same_hierarchy(backend):
    features = unit_rows(100, 8)
    one, two = (hierarchical_kmeans(features, (20, 5), backend=backend, seed=3) for _ in range(2))
    assert torch.equal(one.assignment, two.assignment)
    assert torch.equal(one.parents[0], two.parents[0])
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            one.prototypes + one.concentrations, two.prototypes + two.concentrations, strict=True
        )
    )


@backends
def test_warm_start_keeps_the_numbers_of_the_prototypes(backend):
    features, _ = blobs(200, 10, 16, spread=0.05)
    before = hierarchical_kmeans(features, (10, 3), backend=backend, seed=1)
    after = hierarchical_kmeans(
        F.normalize(features + 0.01 * unit_rows(200, 16, seed=8), dim=1),
        (10, 3),
        backend=backend,
        warm_start=before,
        seed=2,
    )
    assert torch.equal(before.assignment, after.assignment)
    assert torch.equal(before.parents[0], after.parents[0])


def test_warm_start_is_a_single_run_from_the_last_prototypes():
    features = unit_rows(100, 8)
    last = hierarchical_kmeans(unit_rows(100, 8, seed=9), (20, 5), backend="torch")
    hierarchy = hierarchical_kmeans(features, (20, 5), backend="torch", warm_start=last)
    expected = kmeans(features, 20, init=last.prototypes[0])
    assert torch.equal(hierarchy.assignment.long(), expected.assignment)


def test_warm_start_with_other_numbers_is_refused_with_both():
    with pytest.raises(HCSCError, match=r"\(8, 4, 2\).*\(20, 5\)"):
        hierarchical_kmeans(
            unit_rows(100, 6), (20, 5), backend="torch", warm_start=random_hierarchy()
        )


@backends
@pytest.mark.parametrize(
    "features",
    [unit_rows(1, 6).repeat(40, 1), unit_rows(5, 6).repeat(8, 1)],
    ids=["constant", "duplicates"],
)
def test_collapsed_features_still_give_a_hierarchy(backend, features):
    hierarchy = hierarchical_kmeans(
        features, (12, 4), backend=backend
    )  # its constructor refuses what is not finite
    assert hierarchy.num_prototypes == (12, 4)


@backends
def test_opposite_features_whose_mean_is_the_origin_still_give_unit_prototypes(backend):
    features = torch.eye(4)[:2].repeat(3, 1)
    features = torch.cat([features, -features])
    hierarchy = hierarchical_kmeans(features, (2,), backend=backend, warm_start=None)
    torch.testing.assert_close(hierarchy.prototypes[0].norm(dim=1), torch.ones(2))


@backends
def test_one_prototype_per_image_has_the_temperature_as_concentration(backend):
    hierarchy = hierarchical_kmeans(unit_rows(20, 6), (20, 5), backend=backend, temperature=0.4)
    torch.testing.assert_close(hierarchy.concentrations[0], torch.full((20,), 0.4))


@pytest.mark.parametrize(
    ("num_prototypes", "message"),
    [
        ((), "num_prototypes is empty"),
        (
            (3000, 2000),
            r"num_prototypes\[0\]=3000 exceeds the 1797 training images; set at most 1797",
        ),
        ((100, 100), r"num_prototypes\[1\]=100 must be below num_prototypes\[0\]=100"),
        ((100, 50, 60), r"num_prototypes\[2\]=60 must be below num_prototypes\[1\]=50"),
        ((100, 1), r"num_prototypes\[1\]=1 must be at least 2"),
        ((0,), r"num_prototypes\[0\]=0 must be at least 2"),
        ((-5,), r"num_prototypes\[0\]=-5 must be at least 2"),
        ((100, 12.5), r"num_prototypes\[1\]=12.5 must be a whole number"),
        ((True,), r"num_prototypes\[0\]=True must be a whole number"),
        (("100",), r"num_prototypes\[0\]='100' must be a whole number"),
    ],
)
def test_numbers_that_make_no_hierarchy_are_refused_by_index_and_number(num_prototypes, message):
    with pytest.raises(HCSCError, match=message):
        assert check_num_prototypes(num_prototypes, 1797) is None  # it would raise


def test_hierarchical_kmeans_checks_the_numbers_first():
    with pytest.raises(HCSCError, match="exceeds the 10 training images"):
        hierarchical_kmeans(unit_rows(10, 4), (11,), backend="torch")


@pytest.mark.parametrize("num_prototypes", [(1797, 2), [50, 20, 10], (2,)])
def test_numbers_at_the_bounds_pass(num_prototypes):
    assert check_num_prototypes(num_prototypes, 1797) is None  # it would raise


def test_a_backend_that_is_named_is_taken_and_auto_is_torch():
    assert [resolve_backend(backend) for backend in ("torch", "faiss", "auto")] == [
        "torch",
        "faiss",
        "torch",
    ]


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(HCSCError, match=r"backend='scipy'.*choose one of 'torch', 'faiss'"):
        resolve_backend("scipy")


def test_auto_needs_no_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert hierarchical_kmeans(unit_rows(30, 6), (5, 2), backend="auto").num_prototypes == (5, 2)
