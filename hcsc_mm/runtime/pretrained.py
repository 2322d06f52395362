"""Starting from pre-trained weights: one path for all parts of a model that want them, and no
weight left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ..errors import HCSCError
from ..utils.state_dicts import describe_difference

BACKBONE_PREFIX = "backbone."


def use_checkpoint(model: ConfigDict, checkpoint: str) -> None:
    """Let a model's config start from a checkpoint.

    Every part with ``init_cfg=dict(type='Pretrained')`` takes it, keeping its prefix; where there
    is none, the backbone does.

    Args:
        model: Config of the model, changed in place.
        checkpoint: Path or URL.

    Raises:
        HCSCError: the model has no backbone.
    """
    parts = list(configs_of_type(model, "Pretrained"))
    for part in parts:
        part["checkpoint"] = checkpoint
    if parts:
        return
    if not isinstance(model.get("backbone"), dict):
        raise HCSCError("the config's model has no backbone that could start from --checkpoint")
    model.backbone.init_cfg = dict(type="Pretrained", checkpoint=checkpoint, prefix=BACKBONE_PREFIX)


def check_pretrained(model: nn.Module) -> None:
    """Refuse a checkpoint that does not hold all weights of the parts that are to start from it;
    mmengine would train on from random ones.

    Args:
        model: Built from its config, without a wrapper; weights are not loaded here.

    Raises:
        HCSCError: no checkpoint is given, or it is not there, or damaged, or holds weights of
            another architecture.
    """
    starts: dict[
        tuple[str, str], dict[str, Tensor]
    ] = {}  # (checkpoint, prefix) → what all parts together want of it
    for name, module in model.named_modules():
        for config in configs_of_type(getattr(module, "init_cfg", None), "Pretrained"):
            if config.get("checkpoint") is None:
                raise HCSCError(
                    f"{name or 'the model'} starts from pre-trained weights, and none are given; "
                    "add --checkpoint FILE"
                )
            if config.get("prefix") is not None:
                starts.setdefault((config["checkpoint"], config["prefix"]), {}).update(
                    module.state_dict()
                )
    for (checkpoint, prefix), own in starts.items():
        compare_weights(
            own, weights_under(load_weights(checkpoint), prefix, checkpoint), checkpoint
        )
        print_log(
            f"all {len(own)} weights under '{prefix}' come from {checkpoint}, none is missing",
            logger="current",
        )


def check_loadable(model: nn.Module, checkpoint: str) -> None:
    """Refuse a checkpoint for a test that lacks a weight of the model, or is of another
    architecture.

    Weights of parts that the model does not have (a pre-training's neck, key encoder and queue, a
    classifier's head) do not matter.

    Raises:
        HCSCError: it does not fit, is not there, or damaged.
    """
    own, weights = model.state_dict(), load_weights(checkpoint)
    parts = tuple({f"{name.split('.')[0]}." for name in own})
    if not any(name.startswith(parts) for name in weights):
        weights_under(weights, BACKBONE_PREFIX, checkpoint)
    given = {name: value for name, value in weights.items() if name.startswith(parts)}
    compare_weights(own, given, checkpoint)
    others = (
        ""
        if len(given) == len(weights)
        else f"; its {len(weights) - len(given)} others, called unexpected below, are not needed"
    )
    print_log(f"all {len(own)} weights of the model are in {checkpoint}{others}", logger="current")


def load_weights(checkpoint: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, without the prefix that DDP gives.

    Raises:
        HCSCError: it is not there, damaged, or holds no weights.
    """
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu", logger=None)
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else {}
    weights = {
        name.removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    if not weights:
        raise HCSCError(f"{checkpoint} holds no weights")
    return weights


def weights_under(weights: Mapping[str, Tensor], prefix: str, checkpoint: str) -> dict[str, Tensor]:
    """Those whose names begin with a prefix, without it."""
    prefix = prefix if prefix.endswith(".") else f"{prefix}."
    found = {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    if not found:
        raise HCSCError(
            f"{checkpoint} holds no weight under '{prefix}': its names begin like "
            f"{next(iter(weights))}; "
            "tools/convert_checkpoint.py brings other layouts into this one"
        )
    return found


def compare_weights(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], checkpoint: str
) -> None:
    """Refuse weights that do not agree in names and shapes.

    Args:
        own: What the model wants. Counters of batch norms may be missing: converted weights have
            none, and nothing is computed from them.
        given: What the checkpoint holds for it.
        checkpoint: Its name, for the message.

    Raises:
        HCSCError: counts what does not fit and names the first of it.
    """
    wanted = {
        name: value
        for name, value in own.items()
        if name in given or not name.endswith("num_batches_tracked")
    }
    difference = describe_difference(wanted, given)
    if difference is not None:
        raise HCSCError(
            f"{checkpoint} holds a backbone of another architecture: {difference}. Set depth and "
            "type of model.backbone to the checkpoint's"
        )


def check_same_architecture(
    model: nn.Module, state_dict: Mapping[str, Tensor], *, complete: bool
) -> None:
    """Refuse weights of another architecture; mmengine would warn, and train on from random ones.

    Args:
        model: The model to load into, without a wrapper.
        state_dict: The checkpoint's weights.
        complete: Whether names must agree, too, and not only the shapes of those that do.

    Raises:
        HCSCError: counts what does not fit and names the first of it.
    """
    own = model.state_dict()
    state_dict = {
        name.removeprefix("module."): value for name, value in state_dict.items()
    }  # as mmengine does after this check
    if not any(name in own for name in state_dict):
        raise HCSCError(
            "the checkpoint holds no weight of this model: it starts with "
            f"{next(iter(state_dict), 'nothing')}, the model with "
            f"{next(iter(own))}; rename its keys, or use the config that it was trained with"
        )
    if not complete:
        common = own.keys() & state_dict.keys()
        own, state_dict = (
            {name: value for name, value in one.items() if name in common}
            for one in (own, state_dict)
        )
    difference = describe_difference(own, state_dict)
    if difference is not None:
        raise HCSCError(
            f"the checkpoint is of another architecture: {difference}. Use the config that it was "
            "trained with"
        )


def configs_of_type(config: Any, name: str) -> Iterator[dict]:
    """Every dict(type=name) at any depth of a config."""
    if isinstance(config, Mapping):
        if config.get("type") == name:
            yield config
        for value in config.values():
            yield from configs_of_type(value, name)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from configs_of_type(value, name)
