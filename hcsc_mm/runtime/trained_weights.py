"""Trained weights of any layout into a model, converted in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..errors import HCSCError
from ..weights.contents import sort_weights
from ..weights.convert import describe_unused
from ..weights.efficientnet_lite import TIMM_WRAPPER
from ..weights.files import read_checkpoint
from ..weights.targets import Model, Target, select
from .pretrained import compare_weights, configs_of_type

HOOK = "hcsc_mm.TrainedWeightsHook"
NO_FILE = "the config starts from trained weights, and none are given; add --checkpoint FILE"


def start_from(cfg: Config, checkpoint: str) -> bool:
    """Let a pre-training config start from a file of trained weights.

    Args:
        cfg: Changed in place: its :class:`TrainedWeightsHook`, a new one if there is none, takes
            the file.
        checkpoint: Path of it.

    Returns:
        Whether it does; not for a config whose model has parts with
        ``init_cfg=dict(type='Pretrained')``: a benchmark, see :func:`use_checkpoint`.
    """
    if any(configs_of_type(cfg.get("model"), "Pretrained")):
        return False
    if not any(configs_of_type(cfg.get("custom_hooks"), HOOK)):
        cfg["custom_hooks"] = [*(cfg.get("custom_hooks") or []), dict(type=HOOK)]
    for hook in configs_of_type(cfg["custom_hooks"], HOOK):
        hook["checkpoint"] = checkpoint
    return True


@dataclass(frozen=True)
class Trained:
    """What a file holds.

    Attributes:
        checkpoint: Path of the file.
        model: Its backbone and projection by the names of :mod:`hcsc_mm.weights.layouts`.
        what: What it is, in words.
        rest: Groups of tensors that are neither, each in words.
    """

    checkpoint: str
    model: Model
    what: str
    rest: list[str]


def read_trained(checkpoint: str, encoder: str = "query") -> Trained:
    """Read a file of any layout that ``tools/convert_checkpoint.py`` reads.

    Args:
        checkpoint: Path of the file.
        encoder: 'query' or 'key'.

    Raises:
        HCSCError: it cannot be read, or is no layout or network that is known.
    """
    file = read_checkpoint(checkpoint)
    taken = Target("start", (), ("*.backbone", "*.projection"), dict)
    try:
        contents = sort_weights(file.weights)
        model = select(contents, encoder, taken)
    except HCSCError as error:
        raise HCSCError(f"cannot start from {checkpoint}: {error}") from None
    what = f"layout {contents.layout}, {model.shape}, {encoder} encoder"
    rest = describe_unused(contents, model, taken, encoder, file.extras)
    return Trained(checkpoint, model, what, rest)


def take_trained(model: nn.Module, trained: Trained) -> list[str]:
    """Load the backbone, and the projection if it has the sizes of the model's neck.

    Args:
        model: With a ``backbone``, and perhaps a ``neck``. Its key encoder follows by itself.
        trained: What :func:`read_trained` gave.

    Returns:
        What was taken and what was not, for the log.

    Raises:
        HCSCError: the backbone is of another architecture, or the model has a second encoder that
            would stay as it is.
    """
    if hasattr(model, "target_net"):
        raise HCSCError(
            f"the target network of {type(model).__name__} would not start from "
            f"{trained.checkpoint}; use a model with a key encoder, such as hcsc_mm.HCSC"
        )
    backbone = _named_as(model.backbone, trained)
    weights = {f"backbone.{name}": value for name, value in backbone.items()}
    lines = [
        f"start from {trained.checkpoint}: {trained.what}",
        f"taken      all {len(backbone)} tensors of the backbone",
    ]
    projection, neck = trained.model.projection, getattr(model, "neck", None)
    if projection and neck is not None and _shapes(projection) == _shapes(neck.state_dict()):
        weights |= {f"neck.{name}": value for name, value in projection.items()}
        lines.append(f"taken      all {len(projection)} tensors of the projection")
    else:
        why = "it has other sizes than model.neck" if projection else "the file has none that fits"
        lines.append(f"not taken  a projection: {why}; it starts with random weights")
    lines += [f"not taken  {group}" for group in trained.rest]
    model.load_state_dict(weights, strict=False)
    return lines


def _named_as(backbone: nn.Module, trained: Trained) -> dict[str, Tensor]:
    """The file's backbone by the names of this one.

    Raises:
        HCSCError: names or shapes differ.
    """
    own, shape = backbone.state_dict(), trained.model.shape
    in_timm = any(name.startswith(TIMM_WRAPPER) for name in own)
    named = {
        TIMM_WRAPPER + name if in_timm else shape.openmmlab_name(name): value
        for name, value in trained.model.backbone.items()
    }
    try:
        compare_weights(own, named, trained.checkpoint)
    except HCSCError as error:
        raise HCSCError(f"{error}, {shape}; nothing was taken") from None
    return named


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
