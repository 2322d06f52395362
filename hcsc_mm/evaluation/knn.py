"""Weighted nearest-neighbour classification of features (Wu et al., CVPR 2018, Section 3.4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from torch import Tensor

from ..errors import HCSCError
from ..utils.progress import track
from ..utils.shard import total_rows

# Similarities at a time, 4 bytes each: half a GiB, whatever the number of training images.
_CHUNK_FLOATS = 2**27
_VOTE_FLOATS = 2**24


class Neighbours(NamedTuple):
    """The most similar training images of each test image, the nearest first.

    Attributes:
        similarity: (M, k) cosines; −∞ where there are fewer than k.
        labels: (M, k) int64.
    """

    similarity: Tensor
    labels: Tensor


def knn_classify(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.07,
    num_classes: int | None = None,
    chunk_size: int = 1024,
) -> Tensor:
    """Predict by a vote of the k most similar training images, each weighted exp(cosine /
    temperature).

    Args:
        train_features: (N, D), any length; they are scaled to unit length here.
        train_labels: (N,) int.
        test_features: (M, D).
        k: Number of neighbours.
        temperature: Above 0; a neighbour weighs exp(cosine / temperature).
        num_classes: C, if labels are to be checked against it; votes are counted among the classes
            that the neighbours have, however many there are.
        chunk_size: Test images at a time: memory is bounded by chunk_size × N floats, and by half a
            GiB.

    Returns:
        (M,) int64 predicted labels. Of classes with equal votes, the one with the smaller label.

    Raises:
        HCSCError: k outside [1, N], shapes that do not fit, or a label outside of [0, C).
    """
    if num_classes is not None and len(train_labels) and int(train_labels.max()) >= num_classes:
        raise HCSCError(
            f"a training image has the label {int(train_labels.max())}, and there are "
            f"num_classes={num_classes}; labels count from 0"
        )
    neighbours = nearest_neighbours(
        train_features, train_labels, test_features, k, chunk_size=chunk_size
    )
    return vote(neighbours, k, temperature)


def nearest_neighbours(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    k: int,
    *,
    chunk_size: int = 1024,
    sharded: bool = False,
) -> Neighbours:
    """The k most similar training images of each test image.

    Args:
        train_features: (N, D), any length; with ``sharded`` this rank's rows of them.
        train_labels: (N,) int.
        test_features: (M, D), the same on all ranks.
        k: Number of neighbours.
        chunk_size: Test images at a time.
        sharded: Search the training images of all ranks, each rank its own; the result is the same
            on all ranks.

    Raises:
        HCSCError: k outside [1, N], or shapes that do not fit.
    """
    check_neighbours(k, total_rows(train_features) if sharded else len(train_features))
    if (
        len(train_labels) != len(train_features)
        or train_features.shape[1:] != test_features.shape[1:]
    ):
        raise HCSCError(
            f"shapes do not fit: train features {tuple(train_features.shape)}, labels "
            f"{tuple(train_labels.shape)}, test features {tuple(test_features.shape)}"
        )
    train, labels = F.normalize(train_features.float(), dim=1), train_labels.long()
    rows = max(1, min(chunk_size, _CHUNK_FLOATS // max(1, len(train))))
    similarity, found = (
        test_features.new_empty(len(test_features), k, dtype=torch.float32),
        labels.new_empty(len(test_features), k),
    )
    for start in track(range(0, len(test_features), rows), "nearest neighbours"):
        chunk = F.normalize(test_features[start : start + rows].float(), dim=1)
        nearest = (
            _of_all_ranks(_nearest(chunk, train, labels, k), k)
            if sharded
            else _nearest(chunk, train, labels, k)
        )
        similarity[start : start + rows], found[start : start + rows] = nearest
    return Neighbours(similarity, found)


def check_neighbours(k: int, num_train: int) -> None:
    """Raises HCSCError unless there are so many training images."""
    if not 1 <= k <= num_train:
        raise HCSCError(f"k={k} must lie in [1, {num_train}], the number of training images")


def vote(neighbours: Neighbours, k: int, temperature: float) -> Tensor:
    """(M,) int64 labels with the largest sum of weights exp(cosine / temperature) among the first k
    neighbours.

    Votes are counted among the classes that occur, some test images at a time: memory does not
    follow the largest label.
    """
    similarity, labels = neighbours.similarity[:, :k], neighbours.labels[:, :k]
    rows = max(1, int((_VOTE_FLOATS / k) ** 0.5))  # which have rows · k classes at most
    predictions = [labels.new_empty(0)]
    for start in range(0, len(labels), rows):
        near, label = similarity[start : start + rows], labels[start : start + rows]
        # Shifted by the largest: the same prediction, and no overflow at small temperatures.
        weight = ((near - near[:, :1]) / temperature).exp()
        classes, place = label.unique(return_inverse=True)  # in order: ties go to the smaller
        votes = weight.new_zeros(len(label), len(classes)).scatter_add_(1, place, weight)
        predictions.append(classes[votes.argmax(dim=1)])
    return torch.cat(predictions)


def _nearest(chunk: Tensor, train: Tensor, labels: Tensor, k: int) -> Neighbours:
    """Among this rank's (n, D) training images; filled up to k with a similarity of −∞."""
    similarity, neighbour = (chunk @ train.T).topk(min(k, len(train)), dim=1)
    lacking = k - similarity.shape[1]
    return Neighbours(
        F.pad(similarity, (0, lacking), value=float("-inf")), F.pad(labels[neighbour], (0, lacking))
    )


def _of_all_ranks(mine: Neighbours, k: int) -> Neighbours:
    """The k nearest of all ranks' nearest."""
    if get_world_size() == 1:
        return mine
    # (m, W k)
    similarity, labels = (torch.cat(all_gather(part.contiguous()), dim=1) for part in mine)
    best, column = similarity.topk(k, dim=1)
    return Neighbours(best, labels.gather(1, column))
