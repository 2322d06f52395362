"""Train a cell and measure its features: the same protocol for every method."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch import Tensor, nn

from ..clustering import hierarchical_kmeans, kmeans
from ..errors import HCSCError
from ..evaluation import clustering_scores, extract_feature_set, knn_classify
from ..evaluation.collapse import effective_rank, relative_std
from ..evaluation.feature_set import FeatureSet, build_feature_loader
from ..evaluation.tree_scores import tree_scores
from ..models.necks import BesideBackbone
from ..models.utils.pooling import pool
from ..runtime.hooks.progress_hook import VERDICT_KEY
from ..runtime.launch import build_runner
from ..runtime.trained_weights import read_trained, take_trained
from ..structures.checkpoint_entry import saved_tree
from ..utils.files import write_text
from ..utils.models import unwrapped
from ..utils.safe_load import load_data
from .cells import Cell
from .two_views import similarity_scores

# An embedding below either has collapsed; see CollapseHook.
COLLAPSED_STD, COLLAPSED_RANK_SHARE = 0.1, 0.05
_MOST_WARD_IMAGES = 8000  # Ward's method keeps all distances: half a gigabyte


def measure_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Run a cell from its start to its numbers.

    Args:
        cell: What to run.
        folder: For its config, log and checkpoints; a stopped cell goes on from there.

    Returns:
        Numbers and plain values: 'scores' by name, 'spread' of the embedding, 'collapsed',
        'seconds' of training (also before a stop, not before a kill), 'steps', 'images_seen'.
    """
    models, verdicts, earlier, steps = [], [], [], 0
    with _timed(folder / "seconds") as spent:
        for place in _places(cell, folder):
            runner = _trained(cell, cell.build_config(place, earlier))
            models.append(unwrapped(runner.model).eval())
            verdicts.append(runner.message_hub.runtime_info.get(VERDICT_KEY))
            steps += runner.iter
            if cell.method_entry.trains:
                earlier.append(_last_checkpoint(runner, place))
    cfg = runner.cfg
    if cell.data_entry.projection and cell.method_entry.trains:
        models = [WithProjection(model) for model in models]
    model = models[0] if len(models) == 1 else SideBySide(models)
    train, test = (_features(runner, model, cell, part) for part in ("train", "test"))
    gallery = train
    if cell.data_entry.gallery is not None:
        gallery = _features(runner, model, cell, "gallery")
    own = _own_tree(earlier[0], cell) if len(earlier) == 1 else None
    return {
        "scores": {
            **_knn(gallery, test, cell.data_entry.k),
            **(_linear(train, test) if cell.data_entry.linear else {}),
            **_trees(train, cell, own),
            **similarity_scores(runner, cfg, model, train, cell.seed),
        },
        "spread": _spread(train.features),
        "collapsed": cell.method_entry.trains
        and any(map(_is_collapsed, verdicts, train.features.chunk(len(models), dim=1))),
        "seconds": sum(spent),
        "steps": steps,
        "images_seen": steps * cfg.train_dataloader.batch_size,
    }


def _places(cell: Cell, folder: Path) -> list[Path]:
    """A folder for each model of the chain; of a single one the cell's own."""
    number = cell.method_entry.chain
    return [folder] if number == 1 else [folder / f"model_{link}" for link in range(number)]


def _trained(cell: Cell, cfg: Config) -> Runner:
    """A runner at its last step, gone on from where it was stopped; or at its start."""
    cfg.resume, cfg.load_from = cell.method_entry.trains, None
    cfg.setdefault("log_level", "INFO")
    runner = build_runner(cfg)
    if cell.method_entry.trains:
        runner.train()
    else:
        _start(unwrapped(runner.model), cell.data_entry.checkpoint)
    return runner


def _last_checkpoint(runner: Runner, folder: Path) -> str:
    """Of a run in this folder, which may have been moved since it was saved."""
    last = runner.message_hub.runtime_info.get("last_ckpt")
    if last is None:
        raise HCSCError(
            f"{folder} has no checkpoint of its last step; leave the checkpoint hook in"
        )
    return str(folder / Path(last).name)


@contextmanager
def _timed(path: Path) -> Iterator[list[float]]:
    """Seconds of this part and of those before it, a line each."""
    spent = [float(line) for line in path.read_text().splitlines()] if path.is_file() else []
    begun = time.perf_counter()
    try:
        yield spent
    finally:
        spent.append(time.perf_counter() - begun)
        write_text(path, "".join(f"{value}\n" for value in spent))


def _start(model: nn.Module, checkpoint: str | None) -> None:
    """The weights that training would start from."""
    model.init_weights()
    if checkpoint is not None:
        take_trained(model, read_trained(checkpoint, "query"))


class WithProjection(nn.Module):
    """A model whose features are its backbone's and its projection's, beside each other.

    Args:
        model: With ``backbone``, ``neck`` and ``data_preprocessor``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.data_preprocessor = model.data_preprocessor
        self.backbone = nn.Sequential(model.backbone, BesideBackbone(model.neck))
        self.eval()


class SideBySide(nn.Module):
    """Models whose backbones' features stand beside each other, each of unit length.

    Args:
        models: Each with ``backbone`` and ``data_preprocessor``, that of the first being all's.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.data_preprocessor = models[0].data_preprocessor
        self.backbone = _Backbones(model.backbone for model in models)
        self.eval()


class _Backbones(nn.ModuleList):
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, all channels)."""
        parts = [F.normalize(pool(backbone(images)), dim=1) for backbone in self]
        return torch.cat(parts, dim=1)


def _features(runner: Runner, model: nn.Module, cell: Cell, part: str) -> FeatureSet:
    pipeline = cell.data_config()[0].default_hooks.clustering.pipeline
    dataset = {"pipeline": pipeline, **getattr(cell.data_entry, part)}
    loader = build_feature_loader(runner, dict(batch_size=128, dataset=dataset))
    return extract_feature_set(model, loader)


def _knn(train: FeatureSet, test: FeatureSet, k: int) -> dict[str, float]:
    found = knn_classify(train.features, train.labels, test.features, k=k)
    return {"knn": 100 * float((found == test.labels).float().mean())}


def _linear(train: FeatureSet, test: FeatureSet) -> dict[str, float]:
    """Logistic regression by scikit-learn on standardised features."""
    # here, as below: scikit-learn takes a second, which a call that only starts cells need not wait
    from sklearn.linear_model import LogisticRegression

    mean, std = train.features.mean(dim=0), train.features.std(dim=0).clamp(min=1e-6)
    rows = [((part.features - mean) / std).cpu().numpy() for part in (train, test)]
    classifier = LogisticRegression(max_iter=300).fit(rows[0], train.labels.cpu().numpy())
    return {"linear": 100 * float(classifier.score(rows[1], test.labels.cpu().numpy()))}


def _trees(train: FeatureSet, cell: Cell, own: Tensor | None) -> dict[str, float]:
    """Trees of the backbone's features for every method, from k-means++ and from Ward's clusters;
    the method's own; the yardsticks.
    """
    features, rows = F.normalize(train.features, dim=1), torch.arange(len(train.features))
    numbers = cell.data_entry.num_clusters
    tree = hierarchical_kmeans(features, numbers, seed=cell.seed)
    scores = _tree("features", tree.path(rows), numbers, train)
    if len(features) <= _MOST_WARD_IMAGES:
        tree = hierarchical_kmeans(features, numbers, seed=cell.seed, seeding="ward")
        scores.update(_tree("from_ward", tree.path(rows), numbers, train))
    if own is not None:
        scores.update(_tree("own", [level[train.sample_idx.cpu()] for level in own], None, train))
    if cell.method_entry.yardsticks:
        for number in numbers:
            flat = kmeans(features, number, seed=cell.seed).assignment
            scores.update(_agreement(f"flat/{number}", flat, train))
            scores.update(_ward(features, number, train))
    return scores


def _own_tree(checkpoint: str, cell: Cell) -> list[Tensor] | None:
    """Where the method's own clusters have the training images; None for methods without."""
    saved = saved_tree(load_data(checkpoint, map_location="cpu"), path=checkpoint)
    if saved is None:
        return None
    expected = len(DATASETS.build({**cell.data_entry.train, "pipeline": []}))
    if saved.num_samples != expected:
        raise HCSCError(
            f"{cell.data}: the pre-training has {saved.num_samples} images, and train names "
            f"{expected}; both must be the same, in the same order"
        )
    return list(saved.hierarchy.path(torch.arange(saved.num_samples)))


def _tree(name: str, path: Any, numbers: Any, train: FeatureSet) -> dict[str, float]:
    scores = {}
    for level, assignment in enumerate(path):
        number = int(assignment.max()) + 1 if numbers is None else numbers[level]
        scores.update(_agreement(f"{name}/{level}_{number}", assignment, train))
    for kind, labels in _labels(train).items():
        found = tree_scores([np.asarray(level.cpu()) for level in path], labels)
        scores.update({f"{name}/{kind}{score}": value for score, value in found.items()})
    return scores


def _agreement(name: str, assignment: Tensor, images: FeatureSet) -> dict[str, float]:
    return {
        f"{name}/{kind}{score}": value
        for kind, labels in _labels(images).items()
        for score, value in clustering_scores(assignment.cpu(), labels).items()
        if score in ("ami", "purity")
    }


def _labels(images: FeatureSet) -> dict[str, np.ndarray]:
    labels = {"": images.labels.cpu().numpy()}
    if images.coarse_labels is not None:
        labels["coarse/"] = images.coarse_labels.cpu().numpy()
    return labels


def _ward(features: Tensor, number: int, images: FeatureSet) -> dict[str, float]:
    if len(features) > _MOST_WARD_IMAGES:
        return {}
    from sklearn.cluster import AgglomerativeClustering

    found = AgglomerativeClustering(number, linkage="ward").fit_predict(features.cpu().numpy())
    return _agreement(f"ward/{number}", torch.from_numpy(found), images)


def _spread(features: Tensor) -> dict[str, float]:
    """Of the backbone's features at unit length."""
    unit = F.normalize(features.float(), dim=1)
    return {"std": float(relative_std(unit)), "rank": float(effective_rank(unit[:4096]))}


def _is_collapsed(verdict: str | None, features: Tensor) -> bool:
    """What CollapseHook found of a model's keys; for methods without keys, of the features."""
    if verdict is not None:
        return verdict == "collapsed"
    spread = _spread(features)
    share = (spread["rank"] - 1) / max(1, min(features.shape) - 1)
    return spread["std"] < COLLAPSED_STD or share < COLLAPSED_RANK_SHARE
