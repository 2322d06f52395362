"""A network that embeds images, with all that it takes to feed it and to place what comes out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import Tensor, nn

from ..datasets import LoadImage
from ..errors import HCSCError
from ..models.necks import BesideBackbone
from ..models.utils.pooling import pool
from ..structures import PrototypeHierarchy
from ..structures.checkpoint_entry import weights_digest
from .image_view import ImageSource, find_white

_LOADERS = ("LoadImage", "LoadImageFromFile")
# Of ImageNet, RGB: what weights expect that say nothing else.
_IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


class Embedded(NamedTuple):
    """What a network makes of B images.

    Attributes:
        backbone: (B, C) float32, the backbone's output averaged over positions, of any length.
        embedding: (B, D) float32, unit length, what the tree is made of, see
            :meth:`Embedder.with_features`.
    """

    backbone: Tensor
    embedding: Tensor


class Encoder(nn.Module):
    """Images of a data loader → :class:`Embedded`, in eval mode.

    Args:
        backbone: Its last output is pooled.
        neck: Backbone's output → (B, D) of unit length, or a tuple with (B, D) of any length, which
            is scaled to it; without one the pooled output, scaled, is the embedding.
        data_preprocessor: The model's own, as in mmengine; it normalises the images.
    """

    def __init__(
        self, backbone: nn.Module, neck: nn.Module | None, data_preprocessor: nn.Module
    ) -> None:
        super().__init__()
        # The names of the two parts of a key encoder: its digest is that of these layers.
        self.layers = nn.Sequential(*(part for part in (backbone, neck) if part is not None))
        self.data_preprocessor = data_preprocessor
        self.eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedded:
        """(B, 3, H, W) images → their backbone features and embeddings."""
        inputs = self.data_preprocessor({"inputs": images, "data_samples": None})["inputs"]
        return self.embed(self.layers, inputs)

    @staticmethod
    def embed(layers: nn.Sequential, inputs: Tensor) -> Embedded:
        """(B, 3, H, W) normalised images → their backbone features and embeddings."""
        features = layers[0](inputs)
        backbone = pool(features).float()
        if len(layers) > 1:
            projected = layers[1](features)
            if isinstance(projected, (tuple, list)):  # of mmpretrain's necks, of any length
                projected = F.normalize(projected[-1], dim=1)
            return Embedded(backbone, projected.float())  # the very numbers of the clustering
        return Embedded(backbone, F.normalize(backbone, dim=1))

    def to(self, device: torch.device | str) -> Encoder:
        """As in PyTorch; mmengine's preprocessors note their device when they are moved."""
        self.data_preprocessor.to(device)
        return super().to(device)


# What an embedding can be.
FEATURES = ("projection", "backbone", "both")


@dataclass(frozen=True)
class TrainingImages:
    """The images that a hierarchy was made of.

    Attributes:
        number: How many images the tree was built from.
        fingerprint: Identifies these images by their file names, see
            :func:`hcsc_mm.datasets.fingerprint.fingerprint`; None where they have none, or an old
            checkpoint does not say.
        dataset: Config of the data set; None where the checkpoint does not say.
    """

    number: int
    fingerprint: str | None
    dataset: Mapping[str, Any] | None


@dataclass(frozen=True)
class Embedder:
    """An encoder, how images are prepared for it, and the tree that came with its weights.

    Attributes:
        name: What the weights are called in messages and files.
        source: The two arguments of :func:`load_embedder` that make it again.
        encoder: On the device where it is to run.
        pipeline: Configs of transforms from loading to packing, without randomness.
        hierarchy: The tree that the checkpoint holds; None where it holds none.
        training: The images of that hierarchy; None without one.
        digest: Identifies the encoder's weights, see :func:`weights_digest`.
        fits: Whether the hierarchy was built from these very weights; None where nobody noted that.
        features: What an embedding is, see :meth:`with_features`.
    """

    name: str
    source: tuple[str, str | None]
    encoder: Encoder
    pipeline: tuple[dict, ...]
    hierarchy: PrototypeHierarchy | None = None
    training: TrainingImages | None = None
    digest: str = ""
    fits: bool | None = None
    features: str = "projection"

    def with_features(self, features: str) -> Embedder:
        """The same, with another embedding. The hierarchy is of projections, so others have none.

        Args:
            features: 'projection': that of the key encoder where the weights have one, otherwise
                the backbone's pooled output. 'backbone': the latter alone. 'both': the two beside
                each other, see :class:`BesideBackbone`.

        Raises:
            HCSCError: there is no such thing, no projection to stand beside the backbone, or the
                embedding is another one than the projection already.
        """
        if features not in FEATURES:
            raise HCSCError(f"features={features!r} is unknown; choose {', '.join(FEATURES)}")
        if self.features not in (features, "projection"):
            raise HCSCError(f"{self.name} embeds {self.features} already; load it anew")
        backbone, *necks = self.encoder.layers
        if features == "both" and not necks:
            raise HCSCError(f"{self.name} has no projection; take features=backbone")
        if features == self.features or not necks:
            return self
        neck = BesideBackbone(*necks) if features == "both" else None
        encoder = Encoder(backbone, neck, self.encoder.data_preprocessor)
        digest = weights_digest(encoder.layers.state_dict())["sha256"]
        return replace(
            self, encoder=encoder, hierarchy=None, fits=None, digest=digest, features=features
        )

    @property
    def device(self) -> torch.device:
        return next(self.encoder.parameters()).device

    @property
    def preparation(self) -> str:
        """The pipeline as text: embeddings of images that were prepared otherwise are others."""
        return json.dumps(self.pipeline, default=repr)

    @property
    def white(self) -> float | str | None:
        """Of the loader, see :class:`LoadImage`."""
        return self.pipeline[0].get("white")

    def with_white(self, white: float | None) -> Embedder:
        """The same, with another :attr:`white`."""
        load, *rest = self.pipeline
        return replace(self, pipeline=({**load, "white": white}, *rest))

    def settled(self, images: ImageSource) -> Embedder:
        """The same; ``white='auto'`` becomes the value that is found in these images."""
        if self.white != "auto":
            return self
        load = TRANSFORMS.build(dict(self.pipeline[0]))
        find_white(load, images)
        return self.with_white(load.white)

    def to(self, device: torch.device | str | None) -> Embedder:
        """The same on another device; None: a GPU if there is one."""
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return replace(self, encoder=self.encoder.to(device))

    def embed(self, images: Tensor) -> Embedded:
        """(B, 3, H, W) of the pipeline → on the CPU."""
        found = self.encoder(images.to(self.device, non_blocking=True))
        return Embedded(found.backbone.cpu(), found.embedding.cpu())


def make_embedder(
    source: tuple[str, str | None],
    backbone: nn.Module,
    neck: nn.Module | None,
    preprocessing: Mapping[str, Any] | None,
    pipeline: list[dict],
    **more: Any,
) -> Embedder:
    """Put the parts together.

    Args:
        source: What the embedder was made from, see :attr:`Embedder.source`.
        backbone, neck: With their weights.
        preprocessing: Config of the data preprocessor; None: ImageNet's mean and deviation.
        pipeline: Transforms of one image, see :attr:`Embedder.pipeline`; the loading transform may
            be missing or mmcv's.
        **more: Further attributes of :class:`Embedder`.
    """
    config = {"type": "mmpretrain.ClsDataPreprocessor", **(preprocessing or _IMAGENET)}
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        encoder = Encoder(backbone, neck, MODELS.build(config))
    digest = weights_digest(encoder.layers.state_dict())["sha256"]
    name = os.path.basename(source[1] or source[0])
    return Embedder(name, source, encoder, tuple(with_our_loader(pipeline)), digest=digest, **more)


def with_our_loader(pipeline: list[dict]) -> list[dict]:
    """The pipeline with :class:`LoadImage` in front, in the place of another loader: it takes
    images in memory, and says why a file cannot be read.
    """
    first = dict(pipeline[0]) if pipeline else {}
    kind = str(first.pop("type", "")).rsplit(".", maxsplit=1)[-1]
    if kind not in _LOADERS:
        return [dict(type="hcsc_mm.LoadImage"), *pipeline]
    kept = ("color_type", "to_float32", "backend_args", "max_pixels", "max_aspect")
    if kind == LoadImage.__name__:
        kept = (*kept, "imdecode_backend", "white")
    options = {key: first[key] for key in kept if key in first}
    return [dict(type="hcsc_mm.LoadImage", **options), *pipeline[1:]]


def standard_pipeline(
    crop_size: int = 224, resize: int | None = None, interpolation: str = "bilinear"
) -> list[dict]:
    """Resize the short side, cut the centre, pack.

    Args:
        crop_size: Side of the crop, in pixels.
        resize: Pixels that the short side is resized to; by default crop_size · 8 / 7, which is 256
            for 224.
        interpolation: How resizing interpolates, a name of mmcv's ``imresize`` such as 'bicubic'.
    """
    return [
        dict(
            type="ResizeEdge",
            scale=resize or crop_size * 8 // 7,
            edge="short",
            backend="pillow",
            interpolation=interpolation,
        ),
        dict(type="CenterCrop", crop_size=crop_size),
        dict(type="PackInputs"),
    ]
