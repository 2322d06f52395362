"""Whether weights may be loaded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..errors import HCSCError


def check_same_architecture(model: nn.Module, state_dict: Mapping[str, torch.Tensor], *, complete: bool) -> None:
    """Refuse weights of another architecture; mmengine would warn and train on from random ones.

    Args:
        model: The model to load into, without a wrapper.
        state_dict: The checkpoint's weights.
        complete: Whether names must agree, too, and not only the shapes of those that do.

    Raises:
        HCSCError: counts what does not fit and names the first of it.
    """
    own = model.state_dict()
    state_dict = {name.removeprefix("module."): value for name, value in state_dict.items()}  # as mmengine does after this check
    missing = [name for name in own if name not in state_dict] if complete else []
    unexpected = [name for name in state_dict if name not in own] if complete else []
    if not any(name in own for name in state_dict):
        raise HCSCError(
            f"the checkpoint holds no weight of this model: it starts with {next(iter(state_dict), 'nothing')}, the model with "
            f"{next(iter(own))}; rename its keys, or use the config that it was trained with"
        )
    reshaped = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    if not (missing or unexpected or reshaped):
        return
    if reshaped:
        example = f"{reshaped[0]} is {tuple(state_dict[reshaped[0]].shape)} there and {tuple(own[reshaped[0]].shape)} in the model"
    else:
        example = f"{missing[0]} is missing" if missing else f"{unexpected[0]} is unknown to the model"
    raise HCSCError(
        f"the checkpoint is of another architecture: {len(reshaped)} weights of another shape, {len(missing)} missing, "
        f"{len(unexpected)} unexpected; {example}. Use the config that it was trained with"
    )
