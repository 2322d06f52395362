"""Whether weights may be loaded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..errors import HCSCError


def check_same_architecture(
    model: nn.Module, state_dict: Mapping[str, torch.Tensor], *, complete: bool
) -> None:
    """Refuse weights of another architecture; mmengine would warn and train on from random ones.

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


def describe_difference(
    own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]
) -> str | None:
    """How weights differ in names and shapes: counts, and the first difference; None if they do
    not.

    Args:
        own: What the model wants.
        given: What the checkpoint holds for it.
    """
    missing = [name for name in own if name not in given]
    unknown = [name for name in given if name not in own]
    reshaped = [name for name in own if name in given and own[name].shape != given[name].shape]
    if reshaped:
        example = (
            f"{reshaped[0]} is {tuple(given[reshaped[0]].shape)} there and "
            f"{tuple(own[reshaped[0]].shape)} in the model"
        )
    elif missing or unknown:
        example = (
            f"{missing[0]} is missing there" if missing else f"{unknown[0]} is unknown to the model"
        )
    else:
        return None
    return (
        f"{len(reshaped)} weights of another shape, {len(missing)} missing, {len(unknown)} "
        f"unexpected; {example}"
    )
