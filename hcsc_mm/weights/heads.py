"""How many heads a transformer's attention has, which no weight tells, from the config that a
checkpoint carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmpretrain.registry import MODELS

from ..errors import HCSCError

_TIMM_OWN = ("type", "pretrained", "checkpoint_path", "init_cfg", "in_channels")


def heads_in_config(text: str | None, where: str) -> int | None:
    """Heads of the backbone of a config.

    Args:
        text: The config as a checkpoint carries it; None for a file without one.
        where: Name of the file, for messages.

    Returns:
        None where there is no config that can be read as data, or its backbone has no heads.
    """
    from ..runtime.configs.text import read_config_text  # which itself converts weights

    if text is None:
        return None
    try:
        model = read_config_text(text, where).get("model")
    except HCSCError:
        return None  # a file of another library, whose config is another thing
    backbone = model.get("backbone") if isinstance(model, Mapping) else None
    return _heads_of(backbone) if isinstance(backbone, Mapping) else None


def _heads_of(backbone: Mapping[str, Any]) -> int | None:
    kind = str(backbone.get("type")).rsplit(".", maxsplit=1)[-1]
    if kind == "TIMMBackbone":
        return backbone.get("num_heads") or _of_timm(str(backbone.get("model_name")))
    network, arch = MODELS.get(f"mmpretrain.{kind}"), backbone.get("arch", "base")
    if isinstance(arch, str):
        arch = getattr(network, "arch_zoo", {}).get(arch, {})
    heads = arch.get("num_heads") if isinstance(arch, Mapping) else None
    return heads if isinstance(heads, int) else None


def _of_timm(name: str) -> int | None:
    """Of the network of that name; None where timm has none, or it is no ViT."""
    try:
        import timm
    except ImportError:
        return None
    if not timm.is_model(name):
        return None
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=0)
    blocks = getattr(network, "blocks", ())
    return getattr(getattr(blocks[0], "attn", None), "num_heads", None) if len(blocks) else None
