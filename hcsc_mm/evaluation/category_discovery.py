"""Known and new classes among images of which some are labelled: clusters, their accuracy, and how
many classes a tree suggests (generalized category discovery, Vaze et al., CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..clustering.nearest import nearest_centroid
from ..clustering.ward import ward_merges
from ..errors import HCSCError

_ITERATIONS = 100  # at most


def discovery_accuracy(assignment: NDArray, labels: NDArray, is_old: NDArray) -> dict[str, float]:
    """Share of images whose cluster is that of their class, in per cent.

    Clusters are matched with classes once, over all images together (Hungarian method; Vaze et al.,
    Section 4.1): a cluster that is taken for a known class is not free for a new one.

    Args:
        assignment: (N,) int cluster of each image, in any numbers.
        labels: (N,) int class of each image, in any numbers.
        is_old: (N,) bool, whether the image's class is a known one.

    Returns:
        'all'; 'old' over the images of known classes and 'new' over the others, each left out where
        there are none.
    """
    from scipy.optimize import linear_sum_assignment  # here: it takes most of a second

    classes, of_class = np.unique(labels, return_inverse=True)
    clusters, of_cluster = np.unique(assignment, return_inverse=True)
    counts = np.zeros((len(clusters), len(classes)), dtype=np.int64)
    np.add.at(counts, (of_cluster, of_class), 1)
    matched = np.full(len(clusters), -1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched[rows] = columns
    right = matched[of_cluster] == of_class
    groups = {"all": np.ones_like(is_old), "old": is_old, "new": ~is_old}
    return {name: 100 * float(right[of].mean()) for name, of in groups.items() if of.any()}


def draw_labelled(
    labels: NDArray, old_classes: Sequence[int], share: float, seed: int
) -> NDArray[np.bool_]:
    """Draw images of the known classes whose labels are given.

    Args:
        labels: (N,) int class of each image.
        old_classes: The known classes.
        share: Of each known class's images, in (0, 1), rounded, but at least one, and one left.
        seed: Seeds the draw.

    Returns:
        (N,) bool.
    """
    generator, chosen = np.random.default_rng(seed), np.zeros(len(labels), dtype=bool)
    for one in old_classes:
        places = np.flatnonzero(labels == one)
        number = min(max(round(share * len(places)), 1), len(places) - 1)
        chosen[generator.choice(places, number, replace=False)] = True
    return chosen


def known_class_kmeans(
    features: Tensor, known: Tensor, num_clusters: int, *, num_restarts: int = 5, seed: int = 0
) -> Tensor:
    """k-means in which labelled images stay in the cluster of their class (semi-supervised k-means
    of Vaze et al., Section 3.2).

    The known classes' clusters start at the means of their labelled images, the others at images
    without a label, drawn by k-means++ from there. It ends when no image changes its cluster; of
    several starts the smallest sum of squared distances is kept.

    Args:
        features: (N, D) float32, unit length.
        known: (N,) int64, place of a labelled image's class among the C known ones, −1 without
            label; each known class has a labelled image.
        num_clusters: K, at least C, and at most C plus the images without label.
        num_restarts: Starts, at least 1; 5 by default.
        seed: Seeds the draws.

    Returns:
        (N,) int64 clusters; 0 to C − 1 are the known classes'.

    Raises:
        HCSCError: there are fewer clusters than known classes, or more than can be started.
    """
    num_known, num_free = int(known.max()) + 1, int((known < 0).sum())
    if not num_known <= num_clusters <= num_known + num_free:
        raise HCSCError(
            f"{num_clusters} clusters for {num_known} known classes and {num_free} images without "
            f"label: take {num_known} to {num_known + num_free}"
        )
    generator = torch.Generator().manual_seed(seed)
    best, smallest = known, float("inf")
    for _ in range(num_restarts):
        centroids = _first_centroids(features, known, num_clusters, generator)
        assignment, total = _iterate(features, known, centroids)
        if total < smallest:
            best, smallest = assignment, total
    return best


def _first_centroids(
    features: Tensor, known: Tensor, num_clusters: int, generator: torch.Generator
) -> Tensor:
    """(K, D): means of the labelled classes, then images without label by k-means++."""
    free = features[known < 0]
    num_known = int(known.max()) + 1
    centroids = torch.empty(num_clusters, features.shape[1], device=features.device)
    centroids[:num_known] = _means(features, known, centroids[:num_known])
    distance = features.new_full((len(free),), float("inf"))
    if num_known:
        distance = nearest_centroid(free, centroids[:num_known])[1]
    for place in range(num_known, num_clusters):
        weights = distance.cpu().double()
        weights = weights if 0 < float(weights.sum()) < float("inf") else torch.ones_like(weights)
        chosen = int(torch.multinomial(weights, 1, generator=generator))
        centroids[place] = free[chosen]
        torch.minimum(distance, (free - free[chosen]).square().sum(dim=1), out=distance)
    return centroids


def _iterate(features: Tensor, known: Tensor, centroids: Tensor) -> tuple[Tensor, float]:
    """(N,) clusters and their sum of squared distances, from some centroids on."""
    labelled, previous = known >= 0, None
    for _ in range(_ITERATIONS):
        nearest, _ = nearest_centroid(features, centroids)
        assignment = torch.where(labelled, known, nearest)
        if previous is not None and torch.equal(assignment, previous):
            break
        previous, centroids = assignment, _means(features, assignment, centroids)
    total = (features - centroids[assignment]).square().sum(dtype=torch.float64)
    return assignment, float(total)


def _means(features: Tensor, assignment: Tensor, otherwise: Tensor) -> Tensor:
    """(K, D) mean of each cluster's rows, in ``otherwise`` for clusters without rows."""
    own = assignment >= 0
    sums = torch.zeros(otherwise.shape, dtype=torch.float64, device=features.device)
    sums.index_add_(0, assignment[own], features[own].double())
    counts = torch.bincount(assignment[own], minlength=len(otherwise))[:, None]
    return torch.where(counts > 0, (sums / counts.clamp(min=1)).to(otherwise), otherwise)


def number_of_classes(node: NDArray, features: NDArray, labels: NDArray, known: NDArray) -> int:
    """How many classes the images have, by the nodes of a tree and the labels that are known.

    The nodes are merged by Ward's method, and after each merger the remaining clusters are matched
    one to one with the known classes: the accuracy of the labelled images is the criterion of Vaze
    et al. (Section 3.3), who search over runs of k-means instead. Of nested clusters the number
    can only be too large once a known class is split, since mergers of new classes leave no trace
    in known labels. So the answer is the largest number whose accuracy is within one standard
    error of the best (the rule of Breiman et al., 1984); a new class that is wider than all known
    ones counts twice. GPC (Zhao et al., ICCV 2023) and ProtoGCD
    (Ma et al., TPAMI 2025) estimate while they train, which an evaluation cannot.

    Args:
        node: (N,) int, node of each image, of one level of a tree.
        features: (N, D) of the images.
        labels: (N,) int class of each image; only those of known images are looked at.
        known: (N,) bool, images with a known label.

    Returns:
        From the number of known classes to the number of nodes that hold images; the former where
        there are fewer nodes.
    """
    from scipy.optimize import linear_sum_assignment

    nodes, node = np.unique(node, return_inverse=True)
    classes, of_class = np.unique(labels[known], return_inverse=True)
    sizes = np.bincount(node)
    means = np.zeros((len(nodes), features.shape[1]))
    np.add.at(means, node, features)
    counts = np.zeros((len(nodes), len(classes)), dtype=np.int64)
    np.add.at(counts, (node[known], of_class), 1)
    scores = {}
    merges = ward_merges(sizes, means / sizes[:, None])
    for number in range(len(nodes), len(classes) - 1, -1):
        matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
        scores[number] = matched / known.sum()
        if number > 1:
            stays, gone = next(merges)
            counts[stays] += counts[gone]
            counts[gone] = 0  # matched with nothing
    best = max(scores.values(), default=0.0)
    error = np.sqrt(best * (1 - best) / known.sum())
    good = [number for number, score in scores.items() if score >= best - error]
    return max(good, default=len(classes))
