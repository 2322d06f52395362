"""How a cell's features of two views lie: the measures of docs/methods.md, of its end."""

from __future__ import annotations

from itertools import compress

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor, nn

from ..evaluation.feature_set import FeatureSet
from ..evaluation.similarities import of_two_views, tolerance
from ..models.utils.pooling import pool
from ..utils.random_states import host_generators_kept, seed_host_generators

_IMAGES = 1024  # at least; a batch ends it
_TEMPERATURES = (0.07, 0.2, 0.5)  # those of SimilarityHook


@torch.no_grad()
def similarity_scores(
    runner: Runner, cfg: Config, model: nn.Module, train: FeatureSet, seed: int
) -> dict[str, float]:
    """Scores 'similarity/<name>' of the backbone's features, at unit length and in eval mode.

    Args:
        runner: Its method builds the loader.
        cfg: The cell's config, whose training pipeline makes the views.
        model: With ``backbone`` and ``data_preprocessor``.
        train: The training images' features, of which the labels are taken. What the config lists
            beyond them, as generated images are, is not measured.
        seed: Of the images that are drawn, about a thousand, and of their views.
    """
    loader = {**cfg.train_dataloader, "num_workers": 0, "persistent_workers": False}
    with host_generators_kept():
        seed_host_generators(np.random.SeedSequence(seed))
        loader = runner.build_dataloader(loader, seed=seed)
        one, other, images = _embed(loader, model, train.num_samples)
    scores = of_two_views(one, other, _TEMPERATURES)
    if train.labels is not None and train.labels.ndim == 1:
        place = torch.full((train.num_samples,), -1, dtype=torch.long, device=one.device)
        place[train.sample_idx] = torch.arange(len(train.sample_idx), device=one.device)
        known = place[images] >= 0  # not those that cannot be read
        scores["tolerance"] = tolerance(one[known], train.labels[place[images][known]])
    found = {f"similarity/{name}": float(value) for name, value in scores.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _embed(
    loader: torch.utils.data.DataLoader, model: nn.Module, end: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(N, C) features of two views each, at unit length, and (N,) numbers of the images, below
    ``end``.
    """
    features: tuple[list[Tensor], list[Tensor]] = ([], [])
    images: list[int] = []
    for batch in loader:
        views = model.data_preprocessor(batch, True)["inputs"][:2]
        numbers = [int(sample.sample_idx) for sample in batch["data_samples"]]
        kept = [number < end for number in numbers]
        for rows, view in zip(features, views, strict=True):
            rows.append(F.normalize(pool(model.backbone(view)).float(), dim=1)[kept])
        images += compress(numbers, kept)
        if len(images) >= _IMAGES:
            break
    one, other = (torch.cat(rows) for rows in features)
    return one, other, torch.tensor(images, device=one.device)
