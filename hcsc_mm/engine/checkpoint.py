"""Whether weights may be loaded, and whether they may be saved."""

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
    missing = [name for name in own if name not in state_dict] if complete else []
    unexpected = [name for name in state_dict if name not in own] if complete else []
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


def check_finite_weights(model: nn.Module, epoch: int, last_checkpoint: str | None) -> None:
    """Stop a run whose weights broke, before they replace good ones on disk.

    Args:
        model: Its parameters are equal on all ranks, so that all ranks stop together.
        epoch: The epoch that has just been trained, from 1.
        last_checkpoint: The newest one there is, for the message.

    Raises:
        HCSCError: a parameter is NaN or infinite.
    """
    largest = torch._foreach_norm([parameter.detach() for parameter in model.parameters()], float("inf"))
    if bool(torch.isfinite(torch.stack([norm.float() for norm in largest])).all()):
        return
    saved = f"the last good checkpoint is {last_checkpoint}" if last_checkpoint else "no epoch was saved before"
    raise HCSCError(
        f"the weights became NaN or infinite in epoch {epoch}, which is not saved; {saved}. Lower the learning rate, or train without --amp"
    )
