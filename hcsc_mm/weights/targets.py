"""From the parts of a model to what a file of each target holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from ..errors import HCSCError
from .contents import Contents, sort_weights
from .convnext import MARK as CONVNEXT_MARK
from .convnext import recognize_convnext
from .efficientnet_lite import EfficientNetLite0
from .layouts import Weights, to_detectron2
from .resnet import Shape, check_backbone, recognize
from .vit import recognize_vit


@dataclass(frozen=True)
class Model:
    """What a checkpoint holds of a model, checked and with the names of :mod:`layouts`.

    Attributes:
        shape: Sizes of the network.
        backbone: Tensors of the encoder that was asked for, by name, float32.
        projection: Its projection, if it is linear layers with ReLU between them; otherwise empty.
        key: Backbone and projection of the key encoder, as far as the file has them.
        queue: ``keys`` (Q, D) and ``pointer``, or empty.
    """

    shape: Shape
    backbone: Weights
    projection: Weights
    key: tuple[Weights, Weights]
    queue: Weights


@dataclass(frozen=True)
class Target:
    """A layout to write.

    Attributes:
        layout: Name of the layout.
        endings: What a file of it may end with.
        parts: What goes into it, see :mod:`layouts`; '*' is the encoder that was asked for.
        content: Model → what the file holds.
    """

    layout: str
    endings: tuple[str, ...]
    parts: tuple[str, ...]
    content: Callable[[Model], dict[str, Any]]

    def parts_of(self, encoder: str) -> set[str]:
        """What goes into it when this encoder was asked for."""
        return {part.replace("*", encoder) for part in self.parts}


def select(contents: Contents, encoder: str, target: Target, num_heads: int | None = None) -> Model:
    """What a target takes of a file; what it does not take need not be in order.

    Args:
        contents: The file, sorted.
        encoder: 'query' or 'key': whose backbone and projection become the model's.
        target: What is to be written.
        num_heads: Of a ViT, see :class:`~hcsc_mm.weights.vit.ViTShape`.

    Raises:
        HCSCError: the file lacks this encoder, or one of its parts is not whole.
    """
    if f"{encoder}.backbone" not in contents.parts:
        other = "query" if encoder == "key" else "key"
        raise HCSCError(
            f"the file (layout {contents.layout}) has no {encoder} encoder; use --encoder {other}"
        )
    wanted = target.parts_of(encoder)
    parts = {part: weights for part, weights in contents.parts.items() if part in wanted}
    shape = _recognize(parts[f"{encoder}.backbone"], num_heads)
    backbone = check_backbone(parts[f"{encoder}.backbone"], shape)
    key = parts.get("key.backbone", {})
    if key:
        key = (
            backbone
            if encoder == "key"
            else check_backbone(key, shape, "the key encoder's backbone")
        )
    projection, key_projection = (
        _projection(parts.get(f"{name}.projection", {}), shape.out_channels)
        for name in (encoder, "key")
    )
    if key and not _same_shapes(projection, key_projection):  # one model cannot hold two kinds
        projection, key_projection = {}, {}
    queue = _queue(parts.get("queue", {}))
    if queue and projection and queue["keys"].shape[1:] != list(projection.values())[-1].shape:
        raise HCSCError(
            f"the queue's keys, {tuple(queue['keys'].shape)}, are not of the length that the "
            "projection gives"
        )
    return Model(shape, backbone, projection, (key, key_projection if key else {}), queue)


def clustering_encoder(weights: Weights) -> Model:
    """The encoder that clusters, of a file of any layout: the key encoder if there is one.

    Args:
        weights: All tensors of the file, by its names.

    Raises:
        HCSCError: no layout or network that is known, or not whole.
    """
    contents = sort_weights(weights)
    encoder = "key" if "key.backbone" in contents.parts else "query"
    return select(contents, encoder, TARGETS["hcsc_mm"])


def _recognize(backbone: Weights, num_heads: int | None) -> Shape:
    if "conv_stem.weight" in backbone:
        return EfficientNetLite0()
    if CONVNEXT_MARK in backbone:
        return recognize_convnext(backbone)
    is_vit = any(name.startswith("blocks.") for name in backbone)
    return recognize_vit(backbone, num_heads) if is_vit else recognize(backbone)


def _same_shapes(one: Weights, other: Weights) -> bool:
    return {name: value.shape for name, value in one.items()} == {
        name: value.shape for name, value in other.items()
    }


def _projection(weights: Mapping[str, Tensor], in_channels: int) -> Weights:
    """The projection if it is linear layers with ReLU between them, hidden ones of one width, as in
    ProjectionNeck; otherwise nothing.
    """
    num_layers = len(weights) // 2
    names = [
        f"mlp.{2 * layer}.{tensor}" for layer in range(num_layers) for tensor in ("weight", "bias")
    ]
    if (
        not weights
        or set(names) != set(weights)
        or any(weights[name].ndim != 2 for name in names[::2])
    ):
        return {}
    matrices, biases = (
        [weights[name] for name in names[::2]],
        [weights[name] for name in names[1::2]],
    )
    fits = (
        matrices[0].shape[1] == in_channels
        and all(first.shape[0] == second.shape[1] for first, second in pairwise(matrices))
        and len({matrix.shape[0] for matrix in matrices[:-1]}) <= 1
        and all(
            bias.shape == matrix.shape[:1] for matrix, bias in zip(matrices, biases, strict=True)
        )
    )
    return {name: weights[name].float().clone() for name in names} if fits else {}


def _queue(weights: Mapping[str, Tensor]) -> Weights:
    """Raises HCSCError if there is a queue and it is not (Q, D) floating-point keys with a pointer
    among them.
    """
    if not weights:
        return {}
    keys, pointer = weights.get("keys"), weights.get("pointer")
    whole = (
        keys is not None
        and pointer is not None
        and keys.ndim == 2
        and keys.is_floating_point()
        and pointer.numel() == 1
    )
    if not whole or not 0 <= int(pointer) < len(keys):
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in weights.items())
        raise HCSCError(
            f"the queue is not whole: {shapes}; it needs 2-dimensional keys and a pointer to one "
            "of them"
        )
    return {"keys": keys.float().clone(), "pointer": pointer.long().reshape(()).clone()}


def _hcsc_mm(model: Model) -> dict[str, Any]:
    backbone, projection = model.key
    return {
        "state_dict": {
            **_by_openmmlab("backbone.", model.backbone, model.shape),
            **_under("neck.", model.projection),
            **_by_openmmlab("momentum_encoder.encoder.0.", backbone, model.shape),
            **_under("momentum_encoder.encoder.1.", projection),
            **_under("queue.", model.queue),
        },
        "meta": {},
    }


def _openmmlab(model: Model) -> dict[str, Any]:
    return {"state_dict": _by_openmmlab("backbone.", model.backbone, model.shape), "meta": {}}


def _by_openmmlab(prefix: str, backbone: Weights, shape: Shape) -> Weights:
    return {prefix + shape.openmmlab_name(name): value for name, value in backbone.items()}


def _plain(model: Model) -> dict[str, Any]:
    return dict(model.backbone)


def _detectron2(model: Model) -> dict[str, Any]:
    renamed = {to_detectron2(name): value for name, value in model.backbone.items()}
    return {"model": renamed, "__author__": "hcsc_mm", "matching_heuristics": True}


def _under(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: value for name, value in weights.items()}


_FULL = ("*.backbone", "*.projection", "key.backbone", "key.projection", "queue")
TARGETS = {
    target.layout: target
    for target in (
        Target("hcsc_mm", (".pth",), _FULL, _hcsc_mm),
        Target("mmpretrain", (".pth",), ("*.backbone",), _openmmlab),
        Target("mmdet", (".pth",), ("*.backbone",), _openmmlab),
        Target("torchvision", (".pth", ".safetensors"), ("*.backbone",), _plain),
        Target("timm", (".pth", ".safetensors"), ("*.backbone",), _plain),
        Target("detectron2", (".pkl", ".pth"), ("*.backbone",), _detectron2),
    )
}
