"""A recipe for the training set of a config, on the machine that reads it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.registry import DATASETS, DefaultScope
from mmpretrain.registry import MODELS
from torch import nn

from ..datasets.transforms.pictures import size_of
from ..engine.frozen_features import most_channels
from ..errors import HCSCError
from ..models.backbones import timm_backbone
from ..models.backbones.timm_backbone import build_network
from ..registry import FUNCTIONS
from ..runtime.configs.fitted import Fitted
from ..runtime.console import duration
from ..runtime.precision import cpu_has_bfloat16
from .arithmetic import Material, Recipe, fit_recipe

_LOOKED_AT = 200  # images at most, evenly spread, whose sizes are read
_MANY = 20_000  # images of which each clustering on a CPU takes minutes at full size
_VIEWS_PER_SECOND = 800  # that a CPU's core makes of 64 pixels; accelerators are faster
_VIEWS = 16  # of a measurement of the network's speed
_BFLOAT16 = (
    "float32: this CPU computes in bfloat16 as well, and --amp bf16 is faster here "
    "(docs/precision.md); that is for you to say, as a run that goes on on a CPU without it should "
    "not change its numbers"
)


@FUNCTIONS.register_module()
def fit_to_images(
    cfg: Config,
    by_hand: Mapping[str, Any],
    start: str = "scratch",
    model_name: str = "",
    frozen_stages: int = 0,
) -> Fitted:
    """Fit a config to its images and to this machine; see :func:`fit_recipe`.

    Args:
        cfg: The config as read so far; the images are those of its ``train_dataloader.dataset``.
        by_hand: Values that stay.
        start: 'scratch' (the default), or 'timm': a network of timm with trained weights. The
            recipe then has its mean and std, and its channels, too.
        model_name, frozen_stages: With 'timm', as in :class:`TIMMBackbone`.

    Raises:
        HCSCError: there are no images, or none whose size can be read, or no such network.
    """
    if start not in ("scratch", "timm"):
        raise HCSCError(f"start={start!r} of the recipe is 'scratch' or 'timm'")
    trained = start == "timm"
    material = look(cfg, trained, trained and frozen_stages == -1)
    recipe = fit_recipe(material, by_hand)
    size = recipe.values["image_size"]
    if trained:
        network = look_at_network(model_name, material, size, by_hand)
        recipe = Recipe({**recipe.values, **network.values}, {**recipe.reasons, **network.reasons})
        per_view = seconds_of(build_network(model_name), size, material.device)
    else:
        per_view = seconds_of(_resnet18(recipe.values), size, material.device)
    head = (
        f"a recipe for {material.num_images:,} images with a median shorter side of "
        f"{material.side} pixels, on {material.device} with {material.cores} cores and "
        f"{material.world_size} processes"
    )
    lines = [head, *recipe.lines(), announce(material, recipe, per_view)]
    if material.kind == "cpu" and cpu_has_bfloat16():
        lines.append(_BFLOAT16)
    return Fitted(recipe.values, lines, material.world_size)


def look(cfg: Config, trained: bool = False, frozen: bool = False) -> Material:
    """What a config's recipe is to fit.

    Raises:
        HCSCError: see :func:`fit_to_images`.
    """
    dataset = dict(cfg.train_dataloader.dataset, pipeline=[])
    dataset.pop("memory", None)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
        images: BaseDataset = DATASETS.build(dataset)
    sizes = [
        size
        for index in range(0, len(images), max(1, math.ceil(len(images) / _LOOKED_AT)))
        if (size := _size(images.get_data_info(index))) is not None
    ]
    if not sizes:
        raise HCSCError(
            "the recipe cannot read the size of any image that it looked at; are they images, and "
            "on a local disk? Otherwise use configs/hcsc_r18_200e_folder.py"
        )
    return Material(
        num_images=len(images),
        sizes=sizes,
        device=get_device(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        world_size=int(os.environ.get("WORLD_SIZE", 1)),
        trained=trained,
        frozen=frozen,
    )


def _size(sample: Mapping[str, Any]) -> tuple[int, int] | None:
    if "img" in sample:
        return tuple(sample["img"].shape[:2])
    return size_of(sample["img_path"])


def look_at_network(
    model_name: str, material: Material, size: int, by_hand: Mapping[str, Any]
) -> Recipe:
    """What a network of timm adds to a recipe.

    Args:
        model_name: Name of the network.
        material: What the recipe is fitted to.
        size: Pixels of the views.
        by_hand: Values that stay.

    Raises:
        HCSCError: timm has no such network.
    """
    mean, std = timm_backbone.mean_and_std(model_name)
    native = timm_backbone.native_size(model_name)
    affordable = material.kind != "cpu" or material.num_images <= _MANY
    found = {
        "mean": (mean, f"{model_name}'s, RGB"),
        "std": (std, f"{model_name}'s, RGB"),
        "in_channels": (timm_backbone.out_channels(model_name), f"of {model_name}'s features"),
        "whole_size": (
            max(size, native) if affordable else size,
            f"whole images have the {native} pixels that {model_name} was trained with; on a CPU "
            f"with more than {_MANY:,} images those of the views",
        ),
    }
    return Recipe(
        {name: by_hand.get(name, value) for name, (value, _) in found.items()},
        {
            name: f"set by hand; {why}" if name in by_hand else why
            for name, (_, why) in found.items()
        },
    )


def announce(material: Material, recipe: Recipe, per_view: float) -> str:
    """How long the run will take at most.

    Args:
        material, recipe: What it is.
        per_view: Seconds that the backbone takes forward for one view.
    """
    values = recipe.values
    steps = values["max_epochs"] * (
        material.num_images // (values["batch_size"] * material.world_size)
    )
    images = steps * values["batch_size"]
    # forward and backward of the query encoder cost three forwards, the key encoder's one; each
    # clustering, and the last one, looks at all images once, or the first one alone
    forwards = (2 if material.frozen else 4) * images
    kept = material.frozen and values["in_channels"] <= most_channels(
        material.num_images, material.world_size
    )
    clusterings = 1 if kept else values["max_epochs"] // values["every_epochs"] + 1
    larger = (values.get("whole_size", values["image_size"]) / values["image_size"]) ** 2
    forwards += larger * clusterings * material.num_images / material.world_size
    seconds = 2 * (forwards * per_view + 2 * images / _VIEWS_PER_SECOND)
    return (
        f"{steps:,} steps of {values['batch_size']} images will take at most about "
        f"{duration(seconds)}: twice what {1 / per_view:,.0f} views a second need, which is the "
        "backbone's speed forward, measured here just now"
    )


def _resnet18(values: Mapping[str, Any]) -> nn.Module:
    kind = "ResNet_CIFAR" if values["small_stem"] else "ResNet"
    return MODELS.build(
        dict(
            type=f"mmpretrain.{kind}",
            depth=18,
            strides=(2, 2, 2, 1) if values["small_stem"] else (1, 2, 2, 2),
            stem_channels=values["base_channels"],
            base_channels=values["base_channels"],
        )
    )


@torch.no_grad()
def seconds_of(network: nn.Module, size: int, device: str) -> float:
    """Seconds per view of a network, forward, in eval mode; a fraction of a second is measured.

    Args:
        network: Moved to the device.
        size: Pixels of a view's side.
        device: Where it is to run.
    """
    network.to(device)
    network.eval()  # mmpretrain's returns None
    views = torch.zeros(_VIEWS, 3, size, size, device=device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times = []
    for _ in range(4):  # the first one warms up
        began = time.perf_counter()
        network(views)
        wait()
        times.append(time.perf_counter() - began)
    return min(times[1:]) / _VIEWS
