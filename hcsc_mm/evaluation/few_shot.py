"""Classes from a few images each: episodes of N ways and K shots, and two classifiers for them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import HCSCError

_ITERATIONS = 100  # at most; a dozen are the rule


def draw_episode(
    labels: NDArray, ways: int, shots: int, queries: int, generator: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Draw classes, and of each of them images to learn from and others to classify.

    Args:
        labels: (n,) int class of each image.
        ways: N, classes, at least 2.
        shots: K, images of a class to learn from, at least 1.
        queries: Images of a class to classify, at least 1.
        generator: Where the draws come from.

    Returns:
        (N, K) and (N, queries) int64 places among the images, without repetition. Classes with
        fewer than K + queries images are not drawn.

    Raises:
        HCSCError: fewer than N classes have so many images.
    """
    classes, counts = np.unique(labels, return_counts=True)
    large = classes[counts >= shots + queries]
    check_classes(len(large), ways, shots, queries)
    places = np.stack(
        [
            generator.choice(np.flatnonzero(labels == one), shots + queries, replace=False)
            for one in generator.choice(large, ways, replace=False)
        ]
    )
    return places[:, :shots], places[:, shots:]


def check_classes(large: int, ways: int, shots: int, queries: int) -> None:
    """Refuse episodes for which there are too few classes.

    Args:
        large: How many classes have shots + queries images.
        ways: Classes of an episode.
        shots: Images of a class to learn from.
        queries: Images of a class to classify.

    Raises:
        HCSCError: ``large`` is below ``ways``.
    """
    if large < ways:
        raise HCSCError(
            f"{ways} ways of {shots} shots and {queries} queries need {ways} classes of "
            f"{shots + queries} images, and {large} have so many; set fewer ways, shots or queries"
        )


def nearest_class_mean(support: Tensor, queries: Tensor) -> Tensor:
    """Inductive: each query by itself, to the class whose mean is most similar (SimpleShot, Wang et
    al. 2019, nearest centroid with unit-length features, means of unit length, too).

    Args:
        support: (N, K, D) unit length, images of each class.
        queries: (M, D) unit length.

    Returns:
        (M,) int64 in [0, N).
    """
    return (queries @ _means(support.sum(dim=1)).T).argmax(dim=1)


def clustered_class_mean(support: Tensor, queries: Tensor) -> Tensor:
    """Transductive: all queries of an episode together, by spherical k-means with N clusters.

    It starts at the class means, and the images of a class stay in their cluster (constrained
    k-means, Basu et al., ICML 2002); it ends when no query changes its cluster.

    Args:
        support: (N, K, D) unit length, images of each class.
        queries: (M, D) unit length.

    Returns:
        (M,) int64 in [0, N).
    """
    known = support.sum(dim=1)  # (N, D)
    found = nearest_class_mean(support, queries)
    for _ in range(_ITERATIONS):
        sums = known.index_add(0, found, queries)
        again = (queries @ _means(sums).T).argmax(dim=1)
        if torch.equal(again, found):
            break
        found = again
    return found


def _means(sums: Tensor) -> Tensor:
    """(N, D) sums of vectors → their directions."""
    return F.normalize(sums, dim=1)
