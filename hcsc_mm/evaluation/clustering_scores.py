"""How well a clustering agrees with labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import HCSCError


def clustering_scores(assignment: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Agreement of clusters with labels.

    Args:
        assignment: (N,) int cluster of each image.
        labels: (N,) int class of each image.

    Returns:
        'ami', 'nmi', 'ari': adjusted and normalised mutual information and adjusted Rand index, by
        scikit-learn; 'purity': share of images whose class is the majority of their cluster;
        'accuracy': share of correct images under the best one-to-one matching of clusters and
        classes (Hungarian method).

    Raises:
        HCSCError: different lengths or no images.
    """
    # here: with SciPy it takes most of a second, and a training measures no clusters
    from scipy.optimize import linear_sum_assignment
    from sklearn import metrics

    assignment, labels = np.asarray(assignment), np.asarray(labels)
    if assignment.shape != labels.shape or assignment.ndim != 1 or len(labels) == 0:
        raise HCSCError(
            f"assignment and labels must be equally long and not empty, got {assignment.shape} and "
            f"{labels.shape}"
        )
    contingency = metrics.cluster.contingency_matrix(labels, assignment)  # (classes, clusters)
    matched = contingency[linear_sum_assignment(contingency, maximize=True)].sum()
    return {
        "ami": float(metrics.adjusted_mutual_info_score(labels, assignment)),
        "nmi": float(metrics.normalized_mutual_info_score(labels, assignment)),
        "ari": float(metrics.adjusted_rand_score(labels, assignment)),
        "purity": float(contingency.max(axis=0).sum() / len(labels)),
        "accuracy": float(matched / len(labels)),
    }
