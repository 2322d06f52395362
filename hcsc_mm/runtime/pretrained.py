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
from ..utils.state_dicts import describe_difference, describe_unusable

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
            another architecture, or under other names.
    """
    # (checkpoint, prefix) → what all parts together want of it
    starts: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, module in model.named_modules():
        for config in configs_of_type(getattr(module, "init_cfg", None), "Pretrained"):
            checkpoint, prefix = config.get("checkpoint"), config.get("prefix")
            if checkpoint is None:
                raise HCSCError(
                    f"{name or 'the model'} starts from pre-trained weights, and none are given; "
                    "add --checkpoint FILE"
                )
            if prefix is not None:
                starts.setdefault((checkpoint, prefix), {}).update(module.state_dict())
            elif name:
                _check_bare_part(name, module, checkpoint)
            else:
                check_parts(model, load_weights(checkpoint), checkpoint)
    for (checkpoint, prefix), own in starts.items():
        compare_weights(
            own, weights_under(load_weights(checkpoint), prefix, checkpoint), checkpoint
        )
        print_log(
            f"all {len(own)} weights under '{prefix}' come from {checkpoint}, none is missing",
            logger="current",
        )


def check_start(model: nn.Module, load_from: str | None) -> None:
    """For a run without :class:`PreflightHook`, such as a detector's.

    Args:
        model: Built from its config, without a wrapper.
        load_from: Weights that it starts from; None if there are none, or it resumes.

    Raises:
        HCSCError: weights that parts are to start from do not fit, or ``load_from`` does not hold
            all of the backbone. Its heads are left to their library: new classes need new ones.
    """
    check_pretrained(model)
    if load_from is not None and getattr(model, "backbone", None) is not None:
        check_parts(model, load_weights(load_from), load_from, only=BACKBONE_PREFIX.rstrip("."))


def _check_bare_part(name: str, module: nn.Module, checkpoint: str) -> None:
    """A part that takes a file's names as they are; what else the file holds does not matter."""
    own, weights = module.state_dict(), load_weights(checkpoint)
    if own and not own.keys() & weights.keys():
        first = next(iter(own))
        prefixes = {other.removesuffix(first) for other in weights if other.endswith(f".{first}")}
        # blocks of a network have names like its beginning
        wanted = [name for name in own if not name.endswith("num_batches_tracked")]
        prefixes = {one for one in prefixes if all(one + name in weights for name in wanted)}
        named = (
            f"{', '.join(map(repr, sorted(prefixes)))} stands before them"
            if prefixes
            else (f"its names begin like {next(iter(weights))}")
        )
        way_out = (
            f"add prefix={min(prefixes, key=len)!r} to the init_cfg of {name}"
            if prefixes
            else "tools/convert_checkpoint.py brings other layouts into this one"
        )
        raise HCSCError(f"{checkpoint} holds none of the weights of {name}: {named}; {way_out}")
    compare_weights(own, {key: weights[key] for key in own if key in weights}, checkpoint)
    print_log(f"all {len(own)} weights of {name} come from {checkpoint}", logger="current")


def check_parts(
    model: nn.Module, weights: Mapping[str, Tensor], source: str, only: str | None = None
) -> None:
    """Refuse weights for a whole model that hold a part of it by half, or nothing of its backbone.

    Parts that the weights do not know at all start as without them (a classifier's new head, a
    queue), and are named in the log; parts that the model does not have do not matter.

    Args:
        model: To load into, without a wrapper.
        weights: Weights of the checkpoint, without the prefix that DDP gives.
        source: Its name, for messages.
        only: Look at this part alone; all by default.

    Raises:
        HCSCError: counts what does not fit and names the first of it.
    """
    own = model.state_dict()
    if not own.keys() & weights.keys():
        raise HCSCError(
            f"{source} holds no weight of this model: it starts with "
            f"{next(iter(weights), 'nothing')}, the model with {next(iter(own))}; "
            "tools/convert_checkpoint.py brings other layouts into this one"
        )
    parts = dict.fromkeys(name.split(".")[0] for name in own)
    absent = []
    for part in parts if only is None else (only,):
        wanted, given = (_part_of(names, part) for names in (own, weights))
        if wanted.keys() & given.keys():
            compare_weights(wanted, given, source)
        elif wanted and part == BACKBONE_PREFIX.rstrip("."):
            raise HCSCError(
                f"{source} holds no weight of the backbone: it starts with {next(iter(weights))}; "
                "tools/convert_checkpoint.py brings other layouts into this one"
            )
        else:
            absent.append(part)
    if absent:
        print_log(
            f"{source} knows nothing of {', '.join(absent)}, which start without it",
            logger="current",
        )


def _part_of(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name.split(".")[0] == part}


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
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu", logger="silent")
    weights = weights_of(loaded)
    if not weights:
        raise HCSCError(f"{checkpoint} holds no weights")
    return weights


def weights_of(checkpoint: Any) -> dict[str, Tensor]:
    """The state dict of a loaded checkpoint, without the prefix that DDP gives; may be empty."""
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else {}
    return {
        name.removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


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
            f"{next(iter(weights))}; tools/convert_checkpoint.py brings other layouts into this one"
        )
    return found


def compare_weights(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], checkpoint: str
) -> None:
    """Refuse weights that do not agree in names and shapes, or that are no numbers to start from.

    Args:
        own: What the model, or a part of it, wants. Counters of batch norms may be missing:
            converted weights have none, and nothing is computed from them.
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
            f"{checkpoint} is of another architecture: {difference}. Set the model's parts (type "
            "and depth of model.backbone above all) to the checkpoint's"
        )
    unusable = describe_unusable(own, given)
    if unusable is not None:
        raise HCSCError(f"{checkpoint} cannot be started from or judged: {unusable}")


def check_same_architecture(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Refuse the checkpoint of another architecture; mmengine would warn, and train on from random
    weights.

    Args:
        model: The model to load into, without a wrapper.
        state_dict: The checkpoint's weights, under the same names.

    Raises:
        HCSCError: counts what does not fit and names the first of it.
    """
    difference = describe_difference(model.state_dict(), state_dict)
    if difference is not None:
        raise HCSCError(
            f"the checkpoint is of another architecture: {difference}. Use the config that it was "
            "trained with"
        )


def configs_of_type(config: Any, name: str) -> Iterator[dict]:
    """Every dict(type=name) at any depth of a config, with or without a scope before the name."""
    if isinstance(config, Mapping):
        kind = config.get("type")
        kind = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        if name in (kind, kind.rpartition(".")[2]):
            yield config
        for value in config.values():
            yield from configs_of_type(value, name)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from configs_of_type(value, name)
