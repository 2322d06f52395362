"""Nearest neighbours, outlier scores and near-duplicates, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from photographs import photographs
from PIL import Image
from sklearn.neighbors import NearestNeighbors
from small_trees import rows_in_blobs

from hcsc_mm.apis.image_view import signature
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.explore.duplicates import alike_pairs, duplicate_groups, same_picture
from hcsc_mm.explore.neighbours import find_neighbours, outlier_scores


def sklearn_neighbours(rows, k=10):
    rows = rows.astype(np.float64)
    distance, index = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(rows).kneighbors()
    return distance[:, :k], index[:, :k]


@pytest.fixture(scope="module")
def tree():
    rows = rows_in_blobs()
    hierarchy = hierarchical_kmeans(torch.from_numpy(rows), (20, 4))
    return rows, hierarchy.assignment.numpy(), hierarchy.prototypes[0].numpy()


@pytest.mark.parametrize("exhaustive", [10**6, 0], ids=["all with all", "around leaves"])
def test_neighbours_and_outliers_are_scikit_learns(tree, tmp_path, exhaustive):
    # Around a leaf lie 16,384 images at least: of 400 these are all, by another way.
    rows, leaf, prototypes = tree
    distance, index = sklearn_neighbours(rows)
    found = find_neighbours(rows, leaf, prototypes, None, tmp_path, exhaustive)
    assert (found.nearest == index).mean() > 0.999  # but for ties
    assert found.spread == pytest.approx(distance.mean(axis=1), abs=1e-5)
    assert found.similarity == pytest.approx(1 - distance[:, 0] ** 2 / 2, abs=1e-5)
    expected = distance.mean(axis=1).argsort().argsort() / (len(rows) - 1)
    assert outlier_scores(found.spread) == pytest.approx(expected, abs=2 / len(rows))
    assert list(tmp_path.iterdir()) == []  # the copy in the order of the leaves is gone


def test_only_the_leaves_around_are_searched_when_there_are_more_images(
    tree, tmp_path, monkeypatch
):
    rows, leaf, prototypes = tree
    monkeypatch.setattr("hcsc_mm.explore.neighbours._AROUND_LEAVES", 3)
    monkeypatch.setattr("hcsc_mm.explore.neighbours._AROUND_IMAGES", 0)
    found = find_neighbours(rows, leaf, prototypes, None, tmp_path, exhaustive=0)
    similarity = prototypes @ prototypes.T
    for row in range(0, 400, 37):
        around = np.argsort(-similarity[leaf[row]])[:3]
        candidates = np.flatnonzero(np.isin(leaf, around) & (np.arange(400) != row))
        distance = np.linalg.norm(rows[candidates] - rows[row], axis=1)
        expected = candidates[distance.argsort()[:10]]
        number = (found.nearest[row] >= 0).sum()
        assert found.nearest[row][:number].tolist() == expected.tolist()


def test_neighbours_of_late_rows_are_those_among_all(tree, tmp_path):
    rows, leaf, prototypes = tree
    everyone = find_neighbours(rows, leaf, prototypes, None, tmp_path)
    for exhaustive in (10**6, 0):
        late = find_neighbours(rows, leaf, prototypes, None, tmp_path, exhaustive, since=390)
        assert np.array_equal(late.nearest, everyone.nearest[390:])


def test_copies_by_the_dozen_are_no_neighbours_of_themselves(tmp_path):
    rows = np.repeat(rows_in_blobs(8, 8), 20, axis=0)  # 20 copies each, more than 10 neighbours
    found = find_neighbours(rows, np.zeros(160, int), rows[:1], None, tmp_path)
    assert (found.nearest != np.arange(160)[:, None]).all()
    assert (found.nearest // 20 == np.arange(160)[:, None] // 20).all()
    groups = duplicate_groups(found.pairs, 160)
    assert np.array_equal(groups, np.arange(160) // 20)


def test_three_images_have_two_neighbours(tmp_path):
    found = find_neighbours(
        np.eye(3, dtype=np.float32), np.zeros(3, int), np.eye(3)[:1], None, tmp_path
    )
    assert sorted(found.nearest[1].tolist()) == [-1] * 8 + [0, 2]
    assert found.spread == pytest.approx(np.sqrt([2, 2, 2]))


def bgr(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


@pytest.mark.parametrize("exhaustive", [10**6, 0], ids=["all with all", "cells"])
def test_copies_that_are_smaller_flipped_or_both_are_found_and_other_pictures_are_not(exhaustive):
    pictures = photographs("made", 8)
    half = [image.resize((image.width // 2, image.height // 2)) for image in pictures[:4]]
    flip = Image.Transpose.FLIP_LEFT_RIGHT
    flipped = [image.transpose(flip) for image in pictures[2:6]]
    both = [half[0].transpose(flip)]
    signatures = np.stack([signature(bgr(image)) for image in pictures + half + flipped + both])
    groups = duplicate_groups(alike_pairs(signatures, exhaustive), len(signatures))
    assert groups.tolist() == [0, 1, 2, 3, 4, 5, -1, -1, 0, 1, 2, 3, 2, 3, 4, 5, 0]


def test_a_picture_without_contrast_equals_only_its_own_grey():
    greys = np.repeat(np.array([[100], [102], [100]], np.uint8), 256, axis=1)
    assert same_picture(greys[[0, 0]], greys[[1, 2]]).tolist() == [False, True]


def test_groups_are_numbered_by_their_first_images_and_chains_are_one_group():
    pairs = np.array([[7, 2], [5, 1], [1, 9]])
    assert duplicate_groups(pairs, 10).tolist() == [-1, 0, 1, -1, -1, 0, -1, 1, -1, 0]
    assert duplicate_groups(np.empty((0, 2), int), 3).tolist() == [-1, -1, -1]


def test_outlier_scores_go_from_0_to_1_and_equal_spreads_share_a_place():
    assert outlier_scores(np.array([3.0, 1, 2, 2, 9])) == pytest.approx([0.75, 0, 0.375, 0.375, 1])
