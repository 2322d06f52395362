"""Backbones of other libraries by name, and how their images are prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torchvision
from mmengine.config import Config
from torch import nn

from ..errors import HCSCError
from ..runtime.pretrained import compare_weights
from ..utils.text import first_line
from ..weights import read_checkpoint
from ..weights.targets import clustering_encoder
from .embedder import standard_pipeline

# Backbone, neck, preprocessing and pipeline, as :func:`make_embedder` takes them.
Parts = tuple[nn.Module, None, dict[str, Any] | None, list[dict]]


def of_timm(name: str, pretrained: str | None) -> Parts:
    """A model of timm without its classifier; (B, 3, H, W) → (B, C)."""
    try:
        import timm
    except ImportError as error:
        raise HCSCError(f"timm/{name} needs timm ({error}); pip install timm") from None
    if not timm.is_model(name):
        raise HCSCError(f"timm knows no model {name}; timm.list_models() names them")
    with _fetching(f"timm/{name}", pretrained):
        network = timm.create_model(name, pretrained=pretrained is None, num_classes=0)
    if pretrained is not None:
        _load(network, pretrained)
    data = timm.data.resolve_model_data_config(network)
    size = int(data["input_size"][1])
    preprocessing = dict(
        mean=[255 * value for value in data["mean"]],
        std=[255 * value for value in data["std"]],
        to_rgb=True,
    )
    resize = round(size / data["crop_pct"])
    return network, None, preprocessing, standard_pipeline(size, resize, data["interpolation"])


def of_torchvision(name: str, pretrained: str | None) -> Parts:
    """A classification model of torchvision without its classifier; (B, 3, H, W) → (B, C)."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise HCSCError(
            f"torchvision knows no classification model {name}; there are {', '.join(known[:3])}, …"
        )
    published = torchvision.models.get_model_weights(name).DEFAULT
    with _fetching(f"torchvision/{name}", pretrained):
        network = torchvision.models.get_model(name, weights=published if not pretrained else None)
    head = next(part for part in ("fc", "classifier", "heads", "head") if hasattr(network, part))
    setattr(network, head, nn.Identity())
    if pretrained is not None:
        _load(network, pretrained)
    preset = published.transforms()
    preprocessing = dict(
        mean=[255 * value for value in preset.mean],
        std=[255 * value for value in preset.std],
        to_rgb=True,
    )
    pipeline = standard_pipeline(
        preset.crop_size[0], preset.resize_size[0], preset.interpolation.value
    )
    return network, None, preprocessing, pipeline


LIBRARIES: dict[str, Callable[[str, str | None], Parts]] = {
    "timm": of_timm,
    "torchvision": of_torchvision,
}


def mmpretrain_config(name: str) -> tuple[Config | None, str | None]:
    """Config of a model of mmpretrain's zoo, and where its published weights are; None if there is
    no such model.
    """
    from mmpretrain.apis.model import ModelHub

    ModelHub._register_mmpretrain_models()
    if not ModelHub.has(name):
        return None, None
    metainfo = ModelHub.get(name)
    return metainfo.config, metainfo.weights


def _load(network: nn.Module, path: str) -> None:
    """All weights of a network from a file, under its own names or in a layout that
    ``tools/convert_checkpoint.py`` reads; others in it, such as a classifier's, do not matter.
    """
    own, weights = network.state_dict(), read_checkpoint(path).weights
    given = {name.removeprefix("module."): value for name, value in weights.items()}
    if own.keys().isdisjoint(given):
        with suppress(HCSCError):  # no layout that is known: what is missing is said below
            given = clustering_encoder(weights).backbone
    given = {name: value for name, value in given.items() if name in own}
    compare_weights(own, given, path)
    network.load_state_dict(given, strict=False)


@contextmanager
def _fetching(what: str, pretrained: str | None) -> Iterator[None]:
    """Libraries fetch published weights by themselves, and fail each in its own way."""
    try:
        yield
    except Exception as error:
        if pretrained is not None:
            raise
        raise HCSCError(
            f"cannot fetch the published weights of {what} ({type(error).__name__}: "
            f"{first_line(error)}); give a file of them with --pretrained"
        ) from error
