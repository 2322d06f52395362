"""Weighted nearest neighbours, with scikit-learn as the second opinion."""

import numpy as np
import pytest
import torch
from cases import blobs, unit_rows
from sklearn.neighbors import KNeighborsClassifier

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import knn_classify


@pytest.mark.parametrize("k", [1, 5, 20, 200])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_predictions_are_those_of_scikit_learn_with_the_same_weights(k, temperature):
    train, labels, test = (
        3 * unit_rows(200, 8),
        torch.randint(6, (200,)),
        5 * unit_rows(300, 8, seed=1),
    )
    reference = KNeighborsClassifier(
        k,
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / temperature),
    ).fit(train.double().numpy(), labels.numpy())
    ours = knn_classify(train, labels, test, k=k, temperature=temperature)
    assert ours.dtype == torch.int64
    assert (ours.numpy() == reference.predict(test.double().numpy())).all()


def test_separate_blobs_are_classified_without_error():
    features, blob = blobs(300, 6, 16)
    assert torch.equal(knn_classify(features[:200], blob[:200], features[200:]), blob[200:])


def test_a_near_neighbour_outvotes_several_far_ones():
    train, labels = torch.eye(3), torch.tensor([0, 1, 1])
    test = torch.tensor([[1.0, 0.6, 0.6]])
    assert knn_classify(train, labels, test, k=3, temperature=0.07).tolist() == [0]
    assert knn_classify(train, labels, test, k=3, temperature=100).tolist() == [1]


def test_length_of_features_does_not_matter():
    train, labels, test = unit_rows(50, 8), torch.randint(4, (50,)), unit_rows(40, 8, seed=1)
    scaled = knn_classify(train * (1 + 9 * torch.rand(50, 1)), labels, 0.01 * test, k=7)
    assert torch.equal(scaled, knn_classify(train, labels, test, k=7))


@pytest.mark.parametrize("chunk_size", [1, 7, 40, 1000])
def test_chunks_do_not_matter(chunk_size):
    train, labels, test = unit_rows(50, 8), torch.randint(4, (50,)), unit_rows(40, 8, seed=1)
    assert torch.equal(
        knn_classify(train, labels, test, k=7, chunk_size=chunk_size),
        knn_classify(train, labels, test, k=7),
    )


def test_tiny_temperatures_do_not_overflow():
    train, labels, test = unit_rows(50, 8), torch.randint(4, (50,)), unit_rows(40, 8, seed=1)
    ours = knn_classify(train, labels, test, k=50, temperature=1e-4)
    assert torch.equal(ours, knn_classify(train, labels, test, k=1))


def test_equal_votes_go_to_the_smaller_label():
    assert knn_classify(
        torch.eye(2), torch.tensor([3, 1]), torch.tensor([[1.0, 1.0]]), k=2
    ).tolist() == [1]


def test_labels_that_training_lacks_may_be_counted_as_classes():
    assert knn_classify(
        torch.eye(2), torch.tensor([1, 0]), torch.eye(2), k=1, num_classes=10
    ).tolist() == [1, 0]


def test_labels_beyond_the_number_of_classes_are_refused():
    with pytest.raises(HCSCError, match="has the label 7, and there are num_classes=7"):
        knn_classify(torch.eye(2), torch.tensor([0, 7]), torch.eye(2), k=1, num_classes=7)


@pytest.mark.parametrize("number", [1, 700, 5000])
def test_memory_follows_the_classes_that_occur_and_not_the_largest_label(number):
    """10¹² votes of 4 bytes would be the end of it."""
    train, test = unit_rows(200, 8), unit_rows(number, 8, seed=1)
    labels = torch.randint(12, (200,))
    few = knn_classify(train, labels, test, k=20)
    assert torch.equal(knn_classify(train, labels * 10**11 + 3, test, k=20), few * 10**11 + 3)


def test_every_image_may_be_a_class_of_its_own():
    train = unit_rows(300, 8)
    labels = torch.randperm(300) + 999_000
    assert torch.equal(knn_classify(train, labels, train, k=200, temperature=0.01), labels)


def test_no_test_images_have_no_predictions():
    assert knn_classify(torch.eye(2), torch.tensor([1, 0]), torch.zeros(0, 2), k=1).shape == (0,)


@pytest.mark.parametrize("k", [0, -1, 51])
def test_k_outside_of_the_training_images_is_refused_with_both_numbers(k):
    with pytest.raises(HCSCError, match=rf"k={k} must lie in \[1, 50\]"):
        knn_classify(unit_rows(50, 8), torch.zeros(50), unit_rows(4, 8), k=k)


@pytest.mark.parametrize(("labels", "dim"), [(49, 8), (50, 7)])
def test_shapes_that_do_not_fit_are_refused(labels, dim):
    with pytest.raises(HCSCError, match="shapes do not fit"):
        knn_classify(unit_rows(50, 8), torch.zeros(labels), unit_rows(4, dim), k=3)
