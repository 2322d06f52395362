"""A contrast against loops over numbers: pairs to start from, and gradients by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from cases import unit_rows
from mmengine.config import ConfigDict
from tiny import tiny_config, train
from torch import Tensor

from hcsc_mm.models import InfoNCEHead, Pairs
from hcsc_mm.models.contrasts import (
    AttractionAndRepulsion,
    FalseNegativeCancellation,
    FeatureTransformation,
    GroupOrdering,
    HardestNegatives,
    HardNegativeMixing,
    InfoNCE,
    NearestNeighbourPositives,
)

STEP = 1e-6

CONTRASTS = {
    "cacr": AttractionAndRepulsion(),
    "info_nce": InfoNCE(),
    "eliminated": FalseNegativeCancellation("eliminate", 3),
    "attracted": FalseNegativeCancellation("attract", 3),
    "groco": GroupOrdering(4),
    "hardest": HardestNegatives(0.5),
    "mochi": HardNegativeMixing(3, 6, 4),
    "ft": FeatureTransformation(),
    "nnclr": NearestNeighbourPositives(),
}


def pairs_of(
    query: Tensor, key: Tensor, keys: Tensor, temperature=0.2, others=(), **options
) -> Pairs:
    """Pairs of the first view as a head makes them, with (B, D) queries of ``others``."""
    first, *_ = InfoNCEHead(temperature).pairs([query, *others], key, keys)
    return replace(first, **options)


def embeddings(batch=3, queue=9, dim=5, seed=0) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and queue in float64; the key is near the query, and some keys are, too."""
    query = torch.nn.functional.normalize(unit_rows(batch, dim, seed=seed).double(), dim=1)
    key = query + 0.4 * unit_rows(batch, dim, seed=seed + 1).double()
    keys = unit_rows(queue, dim, seed=seed + 2).double()
    keys[:batch] += query
    return query, key / key.norm(dim=1, keepdim=True), keys / keys.norm(dim=1, keepdim=True)


def some_kept(batch=3, queue=9, seed=5) -> Tensor:
    """(B, Q) bool, about two thirds True."""
    return torch.rand(batch, queue, generator=torch.Generator().manual_seed(seed)) < 0.66


def rows(values: Tensor) -> list[list[float]]:
    return values.detach().double().tolist()


def dot(one, other) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def cross_entropy(positive: float, negatives: list[float]) -> float:
    return -math.log(
        math.exp(positive) / (math.exp(positive) + sum(math.exp(value) for value in negatives))
    )


def slow_permutation(values: list[float], steepness: float) -> list[list[float]]:
    """A differentiable odd-even sorting network's [input][output], one pair after the other."""
    number = len(values)
    values = list(values)
    share = [[float(i == j) for j in range(number)] for i in range(number)]
    for layer in range(number):
        for left in range(layer % 2, number - 1, 2):
            a, b = values[left], values[left + 1]
            stays = math.atan(steepness * (b - a)) / math.pi + 0.5
            values[left], values[left + 1] = (
                stays * a + (1 - stays) * b,
                (1 - stays) * a + stays * b,
            )
            for row in share:
                x, y = row[left], row[left + 1]
                row[left], row[left + 1] = stays * x + (1 - stays) * y, (1 - stays) * x + stays * y
    return share


def check_against_oracle(
    loss: Callable[[Tensor], Tensor], oracle: Callable[[list[list[float]]], float], query: Tensor
) -> None:
    """Loss and its gradient by the query equal those of the oracle to 1e-6.

    Args:
        loss: (B, D) queries in float64 → ().
        oracle: The same of lists of numbers, in plain Python; its gradient is taken by central
            differences.
        query: (B, D) float64.
    """
    leaf = query.clone().requires_grad_()
    found = loss(leaf)
    found.backward()
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(oracle(rows(query)), rel=1e-6, abs=1e-9)
    expected = torch.zeros_like(query)
    for row in range(query.shape[0]):
        for column in range(query.shape[1]):
            values = []
            for step in (STEP, -STEP):
                moved = query.clone()
                moved[row, column] += step
                values.append(oracle(rows(moved)))
            expected[row, column] = (values[0] - values[1]) / (2 * STEP)
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-6, atol=1e-6)


def train_with(tmp_path, contrast: dict, hcsc: bool, **options):
    """A real run of two epochs with the contrast, on MoCo v2 or with HCSC's selection."""
    cfg = tiny_config(tmp_path / "run", train_cfg__max_epochs=2, param_scheduler=[], **options)
    cfg.model.head.contrast = ConfigDict(contrast)
    if not hcsc:
        cfg.model.type = "hcsc_mm.MomentumContrast"
        cfg.model.head = ConfigDict(type="hcsc_mm.InfoNCEHead", contrast=contrast)
        cfg.default_hooks.clustering = None
    runner, record = train(cfg)
    assert all(math.isfinite(loss) for loss in record.losses) and len(record.losses) == 12
    return runner, record
