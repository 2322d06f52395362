"""Features of a data set together with its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..datasets import ExtractionView
from ..datasets.tar_images import TarImages
from ..errors import HCSCError
from ..models.utils.pooling import pool
from ..utils.ranks import WAIT_MINUTES
from ..utils.shard import all_gather_rows, global_sum, shard_slice
from .feature_extraction import extract_features


@dataclass(frozen=True)
class FeatureSet:
    """Features of a data set, and what they are judged by; each rank has its shard of the rows.

    Attributes:
        features: (n, D) float32, pooled output of the backbone. Images that cannot be read are left
            out.
        sample_idx: (n,) int64, index in the data set.
        labels: (n,) int64 class of each image, or (n, C) int8 for several classes an image: 1
            shown, 0 not, −1 not to be judged; None for images without labels.
        coarse_labels: (n,) int64, for data sets that have them.
        num_samples: N, images of the data set, over all ranks.
        dataset: The data set itself.
    """

    features: Tensor
    sample_idx: Tensor
    labels: Tensor | None
    coarse_labels: Tensor | None
    num_samples: int
    dataset: BaseDataset

    def gather(self) -> FeatureSet:
        """The rows of all ranks, on every rank."""
        rows = (
            None if rows is None else all_gather_rows(rows)
            for rows in (self.features, self.sample_idx, self.labels, self.coarse_labels)
        )
        return FeatureSet(*rows, self.num_samples, self.dataset)


def build_feature_loader(runner: Runner, config: DataLoader | dict) -> DataLoader:
    """A loader that :func:`extract_feature_set` takes.

    Args:
        runner: Its method builds the loader, with its seed.
        config: Any ``test_dataloader`` of mmengine, but without sampler and collation, which are
            given here. Unless it says otherwise there are 64 images a batch and no workers. An
            image that the pipeline skips as unreadable keeps its place in the order. A loader that
            is built already is left as it is.
    """
    if isinstance(config, DataLoader):
        return config
    dataset = DATASETS.build({**config["dataset"], "pipeline": []})
    # Without one a worker that hangs is waited for for ever.
    timeout = 60 * WAIT_MINUTES if config.get("num_workers") else 0
    return runner.build_dataloader(
        {
            "batch_size": 64,
            "num_workers": 0,
            "timeout": timeout,
            "worker_init_fn": dict(
                type="hcsc_mm.seed_worker"
            ),  # it also leaves signals to the main process
            **config,
            "drop_last": False,
            "dataset": ExtractionView(dataset, config["dataset"].get("pipeline", ())),
            "sampler": dict(type="hcsc_mm.ShardSampler"),  # every image once, a block for each rank
            "collate_fn": dict(type="default_collate"),
        },
        seed=runner.seed,
    )


@torch.no_grad()
def extract_feature_set(model: nn.Module, loader: DataLoader) -> FeatureSet:
    """Run a model's backbone in eval mode over a data set.

    Args:
        model: With ``backbone`` and ``data_preprocessor``; any of mmpretrain's classifiers and
            self-supervised algorithms.
        loader: What :func:`build_feature_loader` built; its data set may have 'gt_label', and
            'coarse_label', for each image. Without any, the result's ``labels`` are None.

    Raises:
        HCSCError: see :func:`extract_features`; or some images have labels and others have none.
    """
    backbone, dataset = model.backbone, loader.dataset.dataset
    num_samples = len(dataset)
    shard = shard_slice(num_samples)
    labels, coarse_labels = None, None
    if has_labels(dataset):  # before the features: an image without one is a mistake that waits
        labels, coarse_labels = read_labels(dataset, range(shard.start, shard.stop))
    training = backbone.training
    backbone.eval()
    try:
        features = extract_features(
            lambda images: pooled_features(model, images), loader, num_samples
        )
    finally:
        backbone.train(training)
    readable = torch.isfinite(features[:, 0])
    unreadable = int(global_sum((~readable).sum()))
    if unreadable:
        print_log(
            f"{unreadable} of {num_samples} images cannot be read and are left out",
            logger="current",
            level=30,
        )
    keep = readable.cpu()
    rows = (
        None if values is None else values[keep].to(features.device)
        for values in (torch.arange(shard.start, shard.stop), labels, coarse_labels)
    )
    return FeatureSet(features[readable], *rows, num_samples, dataset)


def pooled_features(model: nn.Module, images: Tensor) -> Tensor:
    """(B, 3, H, W) images of a data loader → (B, C), in whatever mode the backbone is."""
    return pool(
        model.backbone(model.data_preprocessor({"inputs": images, "data_samples": None})["inputs"])
    )


def has_labels(dataset: BaseDataset) -> bool:
    """Whether its first image has a label."""
    return len(dataset) > 0 and dataset.get_data_info(0).get("gt_label") is not None


def check_labelled(*images: FeatureSet | None) -> None:
    """Refuse images without labels, for what compares with labels.

    Raises:
        HCSCError: some have none.
    """
    if any(one is not None and one.labels is None for one in images):
        raise HCSCError(
            "the images have no labels (gt_label) to compare with; use a data set with labels, "
            "such as hcsc_mm.LabelledImages"
        )


def read_labels(dataset: BaseDataset, rows: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Labels and coarse labels of some images, in the form that :class:`FeatureSet` has them.

    Raises:
        HCSCError: an image has no label.
    """
    if isinstance(dataset, TarImages):
        return _indexed_labels(dataset, rows), None
    infos = [dataset.get_data_info(row) for row in rows]
    for row, info in zip(rows, infos, strict=True):
        if info.get("gt_label") is None:
            raise _no_label(info.get("img_path", f"image {row}"))
    coarse = None
    if infos and all("coarse_label" in info for info in infos):
        coarse = torch.tensor([int(info["coarse_label"]) for info in infos])
    if infos and not np.isscalar(infos[0]["gt_label"]):
        return torch.stack(
            [_targets(info, len(dataset.metainfo["classes"])) for info in infos]
        ), coarse
    return torch.tensor([int(info["gt_label"]) for info in infos], dtype=torch.int64), coarse


def _indexed_labels(dataset: TarImages, rows: Sequence[int]) -> Tensor:
    """(R,) from the index, which has ten million at once; a sample takes microseconds."""
    at = slice(rows.start, rows.stop, rows.step) if isinstance(rows, range) else list(rows)
    labels = dataset.labels()[at]
    without = np.flatnonzero(labels < 0)
    if len(without):
        raise _no_label(dataset.get_data_info(int(rows[without[0]]))["img_path"])
    return torch.from_numpy(labels.astype(np.int64))


def _no_label(name: str) -> HCSCError:
    return HCSCError(
        f"{name} has no label (gt_label); use a data set with labels, such as "
        "hcsc_mm.LabelledImages"
    )


def _targets(info: Mapping, num_classes: int) -> Tensor:
    """(C,) int8: 1 for classes shown, −1 for those of which all objects are marked as difficult
    (PASCAL VOC does not judge these).
    """
    targets = torch.zeros(num_classes, dtype=torch.int8)
    targets[list(info.get("gt_label_difficult") or ())] = -1
    targets[list(info["gt_label"])] = 1
    return targets
