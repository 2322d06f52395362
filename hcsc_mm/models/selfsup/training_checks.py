"""What a contrast with keys needs of its training, said before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import HCSCError
from ...runtime import BuildsClusters, ChecksTraining
from ...structures import ClustersImages
from ...utils.samples import check_numbered
from ..data_preprocessors import check_channels
from ..data_preprocessors.value_range import check_not_normalized
from ..utils.split_batch_norm import SplitBatchNorm1d, SplitBatchNorm2d


class ChecksContrast(ChecksTraining):
    """The checks of :class:`~hcsc_mm.models.selfsup.momentum_contrast.MomentumContrast`: the views,
    the queue, the batch norms, the clusters.
    """

    # what is looked at, of the class that inherits these checks
    queue_length: int
    symmetric: bool
    data_preprocessor: nn.Module
    momentum_encoder: nn.Module

    def check_training(self, num_images: int, total_batch: int) -> list[str]:
        """Does a step fit into the queue, and do query and key keep their statistics apart?"""
        new_keys = total_batch * (2 if self.symmetric else 1)
        if new_keys > self.queue_length:
            ranks = get_world_size()
            twice = ", twice with symmetric=True," if self.symmetric else ""
            raise HCSCError(
                f"total batch {total_batch // ranks} × {ranks} = {total_batch}{twice} exceeds the "
                f"queue length {self.queue_length}; set model.queue_len to at least {new_keys} or "
                "use a smaller batch"
            )
        warnings = []
        if self.queue_length >= num_images - total_batch:
            warnings.append(
                f"The queue of {self.queue_length} keys holds an epoch of {num_images} images or "
                "more, so that an image meets its own older keys as negatives; set "
                f"model.queue_len to at most {max(total_batch, num_images // 2)}."
            )
        shared = self.momentum_encoder  # what is not in it, the head, sees queries alone
        apart = (SplitBatchNorm1d, SplitBatchNorm2d)
        if get_world_size() == 1 and takes_statistics(shared, besides=apart):
            warnings.append(
                "On one process query and key share their batch-norm statistics, which lets the "
                "network cheat (MoCo, Section 3.3). Use "
                "norm_cfg=dict(type='hcsc_mm.SplitBatchNorm2d', num_splits=8) in the backbone, and "
                "SplitBatchNorm1d in a neck with batch norms."
            )
        return warnings

    def try_batch(self, batch: Mapping[str, Any]) -> list[str]:
        """Are there views enough, can they be embedded, and do samples say which image they are,
        where clusters are found by that?
        """
        if isinstance(self, ClustersImages):
            check_numbered(batch["data_samples"], "the training pipeline")
        check_channels(self, _channels(batch["inputs"]))
        check_not_normalized(batch["inputs"], self.data_preprocessor)
        views = self.data_preprocessor(batch, True)["inputs"]
        self.check_views(views)
        for view in views:
            self.encode_query(view)
        self.encode_key(views[1])
        return []

    def missing_hooks(self, hooks: Sequence[Hook]) -> list[str]:
        """A method that clusters is MoCo v2 where no hook gives it clusters."""
        if not isinstance(self, ClustersImages):
            return []
        return lacks_clusters(self, hooks, "MoCo v2", "hcsc_mm.MomentumContrast")

    def check_views(self, inputs: Sequence[Tensor]) -> None:
        """Refuse, in one line, fewer than two views of each image, and with ``symmetric`` more."""
        name = type(self).__name__
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise HCSCError(
                f"{name} trains on at least two views of each image; use the MultiView transform "
                "in the training pipeline, or more views in DeviceAugmentation"
            )
        if self.symmetric and len(inputs) > 2:
            raise HCSCError(
                f"{name}(symmetric=True) trains on two views, and the pipeline gives "
                f"{len(inputs)}; leave out the local crops, or set model.symmetric=False"
            )


def lacks_clusters(model: nn.Module, hooks: Sequence[Hook], without: str, base: str) -> list[str]:
    """A warning if no hook gives a model clusters.

    Args:
        model: That is trained.
        hooks: Of the run.
        without: What the model is without clusters, in words.
        base: The type of that model.
    """
    if any(isinstance(hook, BuildsClusters) for hook in hooks):
        return []
    return [
        f"No hook gives {type(model).__name__} clusters, without which it is {without}: "
        "HierarchicalClusteringHook is missing among default_hooks; "
        f"model.type='{base}' is {without} by itself."
    ]


def takes_statistics(network: nn.Module, besides: type | tuple[type, ...] = ()) -> bool:
    """Whether a batch norm, other than some kinds, takes its statistics from the batch."""
    return any(
        isinstance(module, _BatchNorm) and module.training and not isinstance(module, besides)
        for module in network.modules()
    )


def _channels(inputs: Any) -> int | None:
    """Of a loader's views, or of its whole images; None for anything else."""
    images = inputs.get("images") if isinstance(inputs, Mapping) else inputs
    if isinstance(images, (list, tuple)) and images:
        images = images[0]
    return images.shape[-3] if isinstance(images, Tensor) and images.ndim >= 3 else None
