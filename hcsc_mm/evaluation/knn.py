"""Weighted nearest-neighbour classification of features (Wu et al., CVPR 2018, Section 3.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import HCSCError


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
    """Predict by a vote of the k most similar training images, each weighted exp(cosine / temperature).

    Args:
        train_features: (N, D), any length; they are scaled to unit length here.
        train_labels: (N,) int.
        test_features: (M, D).
        k: Number of neighbours.
        temperature: Of the weights.
        num_classes: C; by default the largest label + 1.
        chunk_size: Test images at a time: memory is bounded by chunk_size × N floats.

    Returns:
        (M,) int64 predicted labels. Of classes with equal votes, the one with the smaller label.

    Raises:
        HCSCError: k outside [1, N], or shapes that do not fit.
    """
    if not 1 <= k <= len(train_features):
        raise HCSCError(f"k={k} must lie in [1, {len(train_features)}], the number of training images")
    if len(train_labels) != len(train_features) or train_features.shape[1:] != test_features.shape[1:]:
        raise HCSCError(
            f"shapes do not fit: train features {tuple(train_features.shape)}, labels {tuple(train_labels.shape)}, "
            f"test features {tuple(test_features.shape)}"
        )
    train = F.normalize(train_features.float(), dim=1)
    labels = train_labels.long()
    num_classes = int(labels.max()) + 1 if num_classes is None else num_classes
    predictions = []
    for chunk in F.normalize(test_features.float(), dim=1).split(chunk_size):
        similarity, neighbour = (chunk @ train.T).topk(k, dim=1)  # (m, k)
        # Shifted by the largest: the same prediction, and no overflow at small temperatures.
        weight = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = weight.new_zeros(len(chunk), num_classes).scatter_add_(1, labels[neighbour], weight)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions) if predictions else labels.new_zeros(0)
