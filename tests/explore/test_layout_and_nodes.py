"""Positions that follow the tree, and what hierarchy.json says of its nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_trees import rows_in_blobs

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.explore.columns import place_all
from hcsc_mm.explore.layout import divide, fill, lay_out, two_components
from hcsc_mm.explore.nodes import Labels, describe_tree


@pytest.fixture(scope="module")
def placed():
    rows = rows_in_blobs()
    hierarchy = hierarchical_kmeans(torch.from_numpy(rows), (20, 6, 3))
    return rows, hierarchy, place_all(hierarchy, rows)


def test_the_images_of_a_node_lie_together_and_alone_at_every_level(placed):
    rows, hierarchy, columns = placed
    positions = lay_out(hierarchy, columns.prototypes, rows)
    assert positions.min() >= 0
    assert positions.max() <= 1
    assert len(np.unique(positions, axis=0)) == len(rows)
    for column in columns.prototypes:
        boxes = []
        for node in np.unique(column):
            own = positions[column == node]
            boxes.append((own.min(axis=0), own.max(axis=0)))
        for one, (low, high) in enumerate(boxes):
            inside = ((positions >= low) & (positions <= high)).all(axis=1)
            assert (column[inside] == np.unique(column)[one]).all()


def test_positions_are_the_same_each_time(placed):
    rows, hierarchy, columns = placed
    first, second = (lay_out(hierarchy, columns.prototypes, rows) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("number", "dim"), [(1, 8), (2, 8), (9, 8), (70, 8), (60, 64), (80, 64), (70, 200), (2000, 64)]
)
def test_components_are_those_of_the_whole_decomposition(number, dim):
    rows = np.random.default_rng(0).normal(size=(number, dim)) * np.linspace(1, 3, dim)
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = np.zeros((number, 2))
    known = min(2, number - 1)
    expected[:, :known] = (left * values)[:, :known]
    found = two_components(rows)
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-8)
    assert np.array_equal(found, two_components(rows))


@pytest.mark.parametrize("number", [3, 100])
def test_copies_lie_side_by_side(number):
    copies = np.repeat(rows_in_blobs()[:1], number, axis=0)
    assert (two_components(copies) == 0).all()
    copies[0] = rows_in_blobs()[1]  # one other: a line
    assert np.isfinite(two_components(np.tile(copies, (1, 20)))).all()


def test_areas_are_proportional_to_weights_and_fill_the_cell():
    random = np.random.default_rng(0)
    weights = random.integers(1, 50, 9)
    cells = divide(np.array([0.0, 0, 2, 1]), random.normal(size=(9, 2)), weights)
    assert cells[:, 2] * cells[:, 3] == pytest.approx(2 * weights / weights.sum())


def test_points_keep_their_order_from_left_to_right():
    points = np.stack([np.arange(4.0)[::-1], np.zeros(4)], axis=1)
    cells = divide(np.array([0.0, 0, 4, 1]), points, np.ones(4))
    assert cells[:, 0].tolist() == [3, 2, 1, 0]
    assert fill(np.array([0.0, 0, 4, 1]), points)[:, 0].tolist() == [3.5, 2.5, 1.5, 0.5]


def test_margins_and_distances_are_those_of_the_definition(placed):
    rows, hierarchy, columns = placed
    for level, prototypes in enumerate(hierarchy.prototypes):
        distance = np.linalg.norm(rows[:, None] - prototypes.numpy()[None], axis=2)
        own = columns.prototypes[level]
        expected = distance[np.arange(len(rows)), own]
        assert columns.distances[level] == pytest.approx(expected, abs=1e-5)
        distance[np.arange(len(rows)), own] = np.inf
        assert columns.margins[level] == pytest.approx(distance.min(axis=1) - expected, abs=1e-5)


def test_every_node_says_what_a_look_at_its_members_says(placed):
    rows, hierarchy, columns = placed
    table_rows = np.arange(len(rows)) * 2  # every other image cannot be read
    labels = Labels(("a", "b", "c"), np.arange(len(rows)) % 3)
    tree = describe_tree(
        hierarchy, columns, iter([rows[:150], rows[150:]]), table_rows, 800, labels
    )
    assert (tree["levels"], tree["num_images"], tree["num_unreadable"]) == (3, 800, 400)
    assert len(tree["nodes"]) == 20 + 6 + 3
    nodes = {node["id"]: node for node in [*tree["nodes"], tree["root"]]}
    for node in nodes.values():
        level, index = node["level"], node["index"]
        members = (
            np.arange(400) if level == 3 else np.flatnonzero(columns.prototypes[level] == index)
        )
        assert node["count"] == len(members)
        assert node["share"] == pytest.approx(len(members) / 400)
        mean = rows[members].mean(axis=0)
        cosine = rows[members] @ (mean / np.linalg.norm(mean))
        assert node["compactness"] == pytest.approx(cosine.mean(), abs=1e-5)
        counted = np.bincount(labels.of_image[members], minlength=3)
        assert dict(node["labels"]) == {
            name: count for name, count in zip("abc", counted.tolist(), strict=True) if count
        }
        assert node["purity"] == pytest.approx(counted.max() / counted.sum())
        for kind in ("representatives", "edges", "outliers"):
            assert len(node[kind]) == min(16, len(members))
            assert set(node[kind]) <= set(table_rows[members].tolist())
        if level < 3:
            parent = nodes[node["parent"]]
            assert node["id"] in parent["children"]
            edges = columns.margins[level][np.array(node["edges"]) // 2]
            assert edges.tolist() == sorted(edges.tolist())
            assert edges[0] == columns.margins[level][members].min()
            far = columns.distances[level][np.array(node["outliers"]) // 2]
            assert far[0] == columns.distances[level][members].max()
            expected = hierarchy.siblings(level, index).tolist()[:8]
            assert node["siblings"] == [f"l{level}-{one}" for one in expected]


def test_a_node_is_represented_by_all_of_its_children(placed):
    rows, hierarchy, columns = placed
    tree = describe_tree(hierarchy, columns, iter([rows]), np.arange(400), 400, None)
    for node in tree["nodes"]:
        if node["level"] == 2:
            shown = columns.prototypes[1][node["representatives"]]
            assert len(np.unique(shown)) == len(node["children"])
        assert node["name"] is None
        assert node["labels"] == []
