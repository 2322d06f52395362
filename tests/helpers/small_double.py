"""HCSC on a perceptron in float64 that remembers its draws, to be trained beside a slow oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from cases import random_hierarchy
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from hcsc_mm.models import HCSC, ClusterSelection, HCSCHead
from hcsc_mm.structures import PrototypeHierarchy

FEATURES, HIDDEN, DIM, QUEUE = 10, 7, 6, 14
LEVELS = (8, 5, 3)
STEPS, IMAGES, BATCH, EPOCH = 50, 24, 4, 10  # a batch is of one rank, an epoch in steps


class Backbone(nn.Module):
    """Linear, batch norm if wanted, ReLU."""

    def __init__(self, batch_norm: bool = False):
        super().__init__()
        self.layer = nn.Linear(FEATURES, HIDDEN)
        self.norm = nn.BatchNorm1d(HIDDEN) if batch_norm else nn.Identity()

    def forward(self, images):
        return self.norm(self.layer(images)).relu()


class Neck(nn.Module):
    out_channels = DIM

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(HIDDEN, DIM)

    def forward(self, features):
        return F.normalize(self.layer(features), dim=1)


class Recorded(ClusterSelection):
    """Remembers its draws, and the probabilities that they were drawn with."""

    def draw(self, keys, path, num_views):
        self.probabilities = self.instance_probabilities(keys, path)
        self.drawn = super().draw(keys, path, num_views)
        return self.drawn


def double_hcsc(*, local: bool, batch_norm: bool = False, shuffle: bool = False) -> HCSC:
    """``local``: instance negatives of local views are selected, too."""
    model = HCSC(
        Backbone(batch_norm),
        Neck(),
        HCSCHead(temperature=0.2),
        queue_len=QUEUE,
        momentum=0.01,
        shuffle_key_batch=shuffle,
        selection=Recorded(local_instances=local),
    ).double()
    model.init_weights()
    return model


def rate(step: int) -> float:
    return 0.1 * (1 - step / STEPS)


def sgd_of(model: nn.Module) -> torch.optim.SGD:
    parameters = [value for value in model.parameters() if value.requires_grad]
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)


def train_step(
    model: HCSC, losses_of: Callable, sgd: torch.optim.SGD, num_views: int, lr: float
) -> dict[str, Any]:
    """Train on a batch of random images; what an oracle needs to repeat it, and the losses.

    ``losses_of``: (views, samples) → losses of the model, which may be wrapped.
    """
    views = list(torch.randn(num_views, BATCH, FEATURES, dtype=torch.float64))
    numbers = torch.randperm(IMAGES)[:BATCH].tolist()
    samples = [DataSample(metainfo={"sample_idx": number}) for number in numbers]
    for group in sgd.param_groups:
        group["lr"] = lr
    found = losses_of(views, samples)
    losses = {name: value for name, value in found.items() if "loss" in name}
    sgd.zero_grad()
    sum(losses.values()).backward()
    sgd.step()
    hierarchy = model.hierarchy
    return {
        "views": views,
        "own": None if hierarchy is None else own_prototypes(hierarchy, numbers),
        "draws": None if hierarchy is None else model.selection.drawn,
        "losses": {name: float(value.detach()) for name, value in losses.items()},
    }


def double_hierarchy(seed: int) -> PrototypeHierarchy:
    tree = random_hierarchy(IMAGES, LEVELS, DIM, seed)
    return PrototypeHierarchy(
        tree.assignment,
        tree.parents,
        tuple(level.double() for level in tree.prototypes),
        tuple(level.double() for level in tree.concentrations),
    )


def levels_of(hierarchy: PrototypeHierarchy | None) -> list[tuple[Tensor, Tensor]] | None:
    """(prototypes, φ) per level."""
    if hierarchy is None:
        return None
    return list(zip(hierarchy.prototypes, hierarchy.concentrations, strict=True))


def own_prototypes(hierarchy: PrototypeHierarchy, numbers: list[int]) -> list[list[int]]:
    """Per image its prototype at every level."""
    path = hierarchy.path(numbers)
    return [[int(level[row]) for level in path] for row in range(len(numbers))]


def weights_of(encoder: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in encoder.parameters()]


def largest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Difference, as a share of the largest value of its tensor, or of 1."""
    pairs = zip(ours, theirs, strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs)
