"""Features of several checkpoints of one network side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from ..runtime.pretrained import BACKBONE_PREFIX, compare_weights, load_weights, weights_under
from .feature_set import FeatureSet, extract_feature_set


def extract_with_stages(
    model: nn.Module, loader: DataLoader, checkpoints: Sequence[str]
) -> FeatureSet:
    """The features of the model's backbone, and beside them those of other checkpoints (as MCL
    evaluates its stages: Zhang et al., "Learning the Unlearned", ECCV 2024).

    Each stage's are scaled to unit length, so that all count alike; whether the released code does
    so is not known here. The backbone has its own weights again afterwards.

    Args:
        model, loader: As in :func:`extract_feature_set`.
        checkpoints: Of the other stages, of the same architecture, with the backbone under
            'backbone.'. None: the model's features as they are.

    Returns:
        ``features`` of (1 + number of checkpoints) · C columns: the checkpoints' in their order,
        then the model's own.

    Raises:
        HCSCError: a checkpoint is not there, or of another architecture.
    """
    if not checkpoints:
        return extract_feature_set(model, loader)
    weights = [_backbone_weights(model, checkpoint) for checkpoint in checkpoints]
    own = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    sets = []
    try:
        for one in (*weights, own):
            model.backbone.load_state_dict(one, strict=False)  # compared above
            sets.append(extract_feature_set(model, loader))
    finally:
        model.backbone.load_state_dict(own)
    features = torch.cat([F.normalize(one.features, dim=1) for one in sets], dim=1)
    return replace(sets[-1], features=features)


def check_stages(model: nn.Module, checkpoints: Sequence[str]) -> None:
    """Refuse checkpoints that do not fit, before any feature is extracted.

    Raises:
        HCSCError: one is not there, or of another architecture.
    """
    for checkpoint in checkpoints:
        _backbone_weights(model, checkpoint)


def _backbone_weights(model: nn.Module, checkpoint: str) -> dict[str, torch.Tensor]:
    found = weights_under(load_weights(checkpoint), BACKBONE_PREFIX, checkpoint)
    compare_weights(model.backbone.state_dict(), found, checkpoint)
    return found
