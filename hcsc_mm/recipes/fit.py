"""A recipe for the training set of a config, on the machine that reads it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.registry import DATASETS, DefaultScope
from torch.nn.functional import conv2d

from ..datasets.transforms.pictures import size_of
from ..errors import HCSCError
from ..registry import FUNCTIONS
from ..runtime.configs.fitted import Fitted
from ..runtime.console import duration
from .arithmetic import Material, Recipe, fit_recipe

_LOOKED_AT = 200  # images, evenly spread, whose sizes are read


@FUNCTIONS.register_module()
def fit_to_images(cfg: Config, by_hand: Mapping[str, Any]) -> Fitted:
    """Fit a config to its images and to this machine; see :func:`fit_recipe`.

    Args:
        cfg: As read so far; the images are those of its ``train_dataloader.dataset``.
        by_hand: Values that stay.

    Raises:
        HCSCError: there are no images, or none whose size can be read.
    """
    material = look(cfg)
    recipe = fit_recipe(material, by_hand)
    head = (
        f"a recipe for {material.num_images:,} images with a median shorter side of "
        f"{material.side} pixels, on {material.device} with {material.cores} cores and "
        f"{material.world_size} processes"
    )
    lines = [head, *recipe.lines(), announce(material, recipe)]
    return Fitted(recipe.values, lines, material.world_size)


def look(cfg: Config) -> Material:
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
        for index in range(0, len(images), max(1, len(images) // _LOOKED_AT))
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
    )


def _size(sample: Mapping[str, Any]) -> tuple[int, int] | None:
    if "img" in sample:
        return tuple(sample["img"].shape[:2])
    return size_of(sample["img_path"])


def announce(material: Material, recipe: Recipe) -> str:
    """How long the run will take at most, from what this machine computes at present."""
    values = recipe.values
    steps = values["max_epochs"] * (
        material.num_images // (values["batch_size"] * material.world_size)
    )
    images = steps * values["batch_size"]
    rate = measured_rate(material.device)
    # forward and backward of the query encoder cost three forwards, the key encoder's one
    work = 4 * images * _multiply_adds(values)
    # each clustering, and the last one, looks at all images once
    passes = values["max_epochs"] // values["every_epochs"] + 1
    work += passes * material.num_images * _multiply_adds(values)
    seconds = 2 * (work / rate + 2 * images / _VIEWS_PER_SECOND)
    return (
        f"{steps:,} steps of {values['batch_size']} images will take at most about "
        f"{duration(seconds)}: twice what {rate / 1e9:.0f} billion multiply-adds a second need, "
        "which is the speed measured here just now"
    )


_VIEWS_PER_SECOND = 800  # on a core of 2024, of 64 pixels; accelerators make them sooner


def _multiply_adds(values: Mapping[str, Any]) -> float:
    """Of a ResNet-18 for one view: 1.8 billion at 224 pixels and 64 channels (He et al., 2016)."""
    scale = (values["base_channels"] / 64) ** 2
    if values["small_stem"]:  # 0.56 billion at 32 pixels, and here a first stage of stride 2
        return 0.56e9 / 3 * scale * (values["image_size"] / 32) ** 2
    return 1.8e9 * scale * (values["image_size"] / 224) ** 2


def measured_rate(device: str) -> float:
    """Multiply-adds per second of a 3 × 3 convolution like a ResNet's, forward, in a fraction of a
    second.
    """
    images = torch.rand(32, 32, 16, 16, device=device)
    weight = torch.rand(32, 32, 3, 3, device=device)
    done, began = 0, 0.0
    with torch.no_grad():
        for number in range(60):
            if number == 10:  # warm
                float(images[0, 0, 0, 0])  # an accelerator has done what it was told
                began = time.perf_counter()
            images = conv2d(images, weight, padding=1).clamp_(-1, 1)
            done += number >= 10
        float(images[0, 0, 0, 0])
    return done * 32 * 32 * 32 * 9 * 16 * 16 / (time.perf_counter() - began)
