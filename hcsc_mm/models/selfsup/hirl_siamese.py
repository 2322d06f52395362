"""HIRL on mmpretrain's SimSiam and BYOL, which have no queue and no negatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmpretrain.models.selfsup import BYOL, SimSiam
from mmpretrain.models.utils import CosineEMA
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...registry import MODELS
from ...runtime import ChecksTraining
from ...utils.samples import check_numbered
from ..utils import synchronize_statistics
from .hirl import LearnsPaths
from .training_checks import lacks_clusters


class _Siamese(LearnsPaths, ChecksTraining):
    """What both have in common. A class that inherits it names the model of mmpretrain after it,
    and says which of its networks is ``clustering_encoder``.

    The path loss takes the projection of the first view, as the neck gives it, and the tree is of
    projections at unit length, in eval mode: for SimSiam that is the authors' code (hirl-team/HIRL,
    ``models/simsiam.py``), which has no BYOL.
    """

    # the authors' T; no loss here asks for concentrations
    concentration_temperature = 0.2

    clustering_encoder: nn.Module

    def loss(
        self, inputs: list[Tensor], data_samples: Sequence[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """mmpretrain's loss of two views, and the path loss of the first.

        Args:
            inputs: Two views, each (B, 3, H, W).
            data_samples: B samples with ``sample_idx``, the index in the training set.
            **kwargs: Of mmpretrain's ``loss``.
        """
        with outputs_of(self.neck) as projections:
            losses = super().loss(inputs, data_samples, **kwargs)
        return self.with_paths(losses, projections[0][0], data_samples)

    def preprocess(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images of a data loader → what the encoder takes, on the model's device."""
        return self.data_preprocessor({"inputs": images, "data_samples": None})["inputs"]

    @torch.no_grad()
    def encode_key(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D) unit length, by ``clustering_encoder`` in whatever mode it is."""
        return F.normalize(self.clustering_encoder(images)[0], dim=1)

    def synchronize_statistics(self) -> None:
        """Give ``clustering_encoder`` the same batch-norm statistics on all ranks."""
        synchronize_statistics(self.clustering_encoder)

    @contextmanager
    def encoding_keys(self) -> Iterator[None]:
        """``clustering_encoder`` in eval mode, with the same statistics on all ranks."""
        self.synchronize_statistics()
        modes = {module: module.training for module in self.clustering_encoder.modules()}
        self.clustering_encoder.eval()
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training

    def check_training(self, num_images: int, total_batch: int) -> list[str]:
        return []  # there is no queue

    def try_batch(self, batch: Mapping[str, Any]) -> list[str]:
        """Do samples say which image they are?"""
        check_numbered(batch["data_samples"], "the training pipeline")
        return []

    def missing_hooks(self, hooks: Sequence[Hook]) -> list[str]:
        base = type(self).__name__.removeprefix("HIRL")
        return lacks_clusters(self, hooks, base, base)


@MODELS.register_module()
class HIRLSimSiam(_Siamese, SimSiam):
    """HIRL on SimSiam, see :class:`LearnsPaths`; its encoder makes the tree, too.

    Args:
        *args: Arguments of mmpretrain's ``SimSiam``; the head is a :class:`LatentPredictPathHead`.
        **kwargs: Further arguments of it.
    """

    @property
    def clustering_encoder(self) -> nn.Module:
        return nn.Sequential(self.backbone, self.neck)

    def clustering_weights(self) -> dict[str, Tensor]:
        """The backbone's, named as in the state dict; the neck's move with every step of theirs."""
        return {f"backbone.{name}": value for name, value in self.backbone.state_dict().items()}


@MODELS.register_module()
class HIRLBYOL(_Siamese, BYOL):
    """HIRL on BYOL, see :class:`LearnsPaths`; its target network makes the tree.

    Training is mmpretrain's to the last bit. Only the target network's batch-norm statistics, which
    training does not read, are its own here, and not copies of the trained network's: the tree is
    made in eval mode.

    Args:
        *args: Arguments of mmpretrain's ``BYOL``; the head is a :class:`LatentPredictPathHead`.
        base_momentum: Share of the trained network in the target's first update, falling to 0 along
            a cosine; 0.004 by default.
        **kwargs: Further arguments of it.
    """

    def __init__(self, *args: Any, base_momentum: float = 0.004, **kwargs: Any) -> None:
        super().__init__(*args, base_momentum=base_momentum, **kwargs)
        self.target_net = OwnStatisticsEMA(
            nn.Sequential(self.backbone, self.neck), momentum=base_momentum
        )

    @property
    def clustering_encoder(self) -> nn.Module:
        return self.target_net

    def clustering_weights(self) -> dict[str, Tensor]:
        """The target network's, named as in the state dict."""
        return {f"target_net.{name}": value for name, value in self.target_net.state_dict().items()}


class OwnStatisticsEMA(CosineEMA):
    """mmpretrain's moving average of BYOL, whose buffers stay its own after the first update.

    mmengine's averaged models copy the source's buffers at each update; those are statistics of
    other activations than the average's.
    """

    def update_parameters(self, model: nn.Module) -> None:
        own = [buffer.clone() for buffer in self.module.buffers()]
        first = self.steps == 0
        super().update_parameters(model)
        if not first:
            for buffer, value in zip(self.module.buffers(), own, strict=True):
                buffer.copy_(value)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Any]]:
    """What a module gives, call after call."""
    given: list[Any] = []
    handle = module.register_forward_hook(lambda _, __, output: given.append(output))
    try:
        yield given
    finally:
        handle.remove()
