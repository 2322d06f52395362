"""Our weights as models that mmpretrain's inferencers take."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.models import ImageToImageRetriever
from torch import Tensor, nn

from ..errors import HCSCError
from .embedder import Embedder, Encoder
from .load_embedder import load_embedder

TASKS = ("features", "retrieval")


def get_model(
    model: str | os.PathLike | Config,
    pretrained: str | os.PathLike | None = None,
    task: str = "features",
    device: torch.device | str | None = None,
) -> BaseModel:
    """What ``mmpretrain.get_model`` is for configs of tests, for anything that
    :func:`load_embedder` takes: a checkpoint, a work folder, a config of a pre-training.

    mmpretrain's inferencers want to know how a test prepares an image, and configs of
    pre-trainings have no test; here it is prepared as for the clustering. Classifiers, such as
    linear probes, have tests: mmpretrain's own ``get_model`` and ``ImageClassificationInferencer``
    take their configs and checkpoints as they are.

    Args:
        model, pretrained, device: Which network, and where to run it, see :func:`load_embedder`.
        task: 'features', for ``FeatureExtractor``; 'retrieval', for ``ImageRetrievalInferencer``.

    Raises:
        HCSCError: see :func:`load_embedder`; or there is no such task.
    """
    if task not in TASKS:
        raise HCSCError(f"task={task!r} is unknown; choose {' or '.join(map(repr, TASKS))}")
    embedder = load_embedder(model, pretrained, device)
    made = FeatureModel(embedder) if task == "features" else _retriever(embedder)
    made._config = Config(
        # without loading: the inferencers read images themselves
        dict(test_dataloader=dict(dataset=dict(pipeline=list(embedder.pipeline[1:]))))
    )
    made._dataset_meta, made._metainfo = {}, None
    return made.to(embedder.device).eval()


class FeatureModel(BaseModel):
    """An embedder with the face of mmpretrain's models.

    Args:
        embedder: The network to wrap, see :class:`Embedder`.
    """

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(data_preprocessor=embedder.encoder.data_preprocessor)
        self.layers = embedder.encoder.layers

    def extract_feat(self, inputs: Tensor, stage: str = "embedding") -> Tensor:
        """(B, 3, H, W) normalised images → 'embedding' (B, D) of unit length, or 'backbone' (B, C).

        Raises:
            HCSCError: there is no such stage.
        """
        if stage not in ("embedding", "backbone"):
            raise HCSCError(f"stage={stage!r} is unknown; choose 'embedding' or 'backbone'")
        return getattr(Encoder.embed(self.layers, inputs), stage)

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = "tensor"):
        """As in mmengine, for ``mode='tensor'``.

        Raises:
            HCSCError: another mode.
        """
        if mode != "tensor":
            raise HCSCError(f"these weights only embed images; mode={mode!r} is for a task")
        return self.extract_feat(inputs)


class _Embedding(nn.Module):
    """What a retriever compares."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, inputs: Tensor) -> Tensor:
        return Encoder.embed(self.layers, inputs).embedding


def _retriever(embedder: Embedder) -> BaseModel:
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        made = ImageToImageRetriever(
            image_encoder=_Embedding(embedder.encoder.layers),
            prototype=torch.zeros(1, 1),  # the inferencer puts its images here
        )
    made.data_preprocessor = embedder.encoder.data_preprocessor
    return made
