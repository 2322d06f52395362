"""The losses as their formulas say, without anything kept from step to step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hcsc_mm.structures import PrototypeHierarchy


def info_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float = 0.2) -> Tensor:
    """MoCo v2's loss: cross entropy of [z·z', z·queue] / τ, the positive first.

    Args:
        query: (B, D).
        key: (B, D).
        queue: (Q, D), copied as in training, where the next keys overwrite it before the backward
            pass.
    """
    positive = (query * key).sum(dim=1, keepdim=True)  # (B, 1)
    # (B, 1 + Q)
    logits = torch.cat([positive, query @ queue.detach().clone().T], dim=1) / temperature
    return _first_is_right(logits)


def full_softmax_hcsc(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    hierarchy: PrototypeHierarchy,
    path: tuple[Tensor, ...],
    temperature: float = 0.2,
) -> Tensor:
    """HCSC under the released rule, one view: the selection probability of a candidate from its
    softmax over all prototypes of a level.

    keep(x | anchor a) = 1 − softmax_i(x·c_i / φ_i)[a]; a rejected negative's logit is multiplied by
    0; instance losses are added up over the levels, prototype losses averaged; prototypes that are
    positives in the batch are no negatives.
    """
    keys = queue.detach().clone()
    positive, negative = (query * key).sum(dim=1, keepdim=True), query @ keys.T
    instance, prototype = [], []
    for level, own in enumerate(path):
        keep = _keep(keys, hierarchy, level, own, 0.0)
        instance.append(
            _first_is_right(torch.cat([positive, negative * keep], dim=1) / temperature)
        )
    for level, own in enumerate(path):
        logits = query @ hierarchy.prototypes[level].T / hierarchy.concentrations[level]  # (B, K)
        kept = logits
        if level + 1 < len(path):
            kept = logits * _keep(
                hierarchy.prototypes[level], hierarchy, level + 1, path[level + 1], 0.0001
            )
        free = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
        free[own] = False
        prototype.append(
            _first_is_right(torch.cat([logits.gather(1, own[:, None]), kept[:, free]], dim=1))
        )
    return sum(instance) + sum(prototype) / len(prototype)


def _keep(
    candidates: Tensor, hierarchy: PrototypeHierarchy, level: int, anchors: Tensor, lowest: float
) -> Tensor:
    """(B, M) draws."""
    # (M, K)
    similarity = candidates @ hierarchy.prototypes[level].T / hierarchy.concentrations[level]
    posterior = similarity.softmax(dim=1)[:, anchors].T  # (B, M)
    return torch.bernoulli((1 - posterior).clamp(lowest, 0.999))


def _first_is_right(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
