"""How two sets of weights differ."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def describe_difference(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """How weights differ in names and shapes: counts, and the first difference; None if not at all.

    Args:
        own: What the model wants.
        given: What the checkpoint holds for it.
    """
    missing = [name for name in own if name not in given]
    unknown = [name for name in given if name not in own]
    reshaped = [name for name in own if name in given and own[name].shape != given[name].shape]
    if reshaped:
        name = reshaped[0]
        there, here = tuple(given[name].shape), tuple(own[name].shape)
        example = f"{name} is {there} there and {here} in the model"
    elif missing or unknown:
        example = (
            f"{missing[0]} is missing there" if missing else f"{unknown[0]} is unknown to the model"
        )
    else:
        return None
    counts = f"{len(reshaped)} weights of another shape, {len(missing)} missing"
    return f"{counts}, {len(unknown)} unexpected; {example}"


def describe_unusable(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """How weights of the right names and shapes cannot be what the model was trained to; None if
    they can.

    PyTorch would copy them all the same: quantised ones as the whole numbers that they are saved
    as, and a diverged run's NaN as NaN.
    """
    for name, value in given.items():
        wants_numbers = name in own and own[name].is_floating_point()
        if wants_numbers and not value.is_floating_point():
            return f"{name} is of {str(value.dtype).removeprefix('torch.')} there, no real numbers"
    broken = [
        name
        for name, value in given.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if broken:
        return f"{len(broken)} weights are NaN or infinite, the first is {broken[0]}"
    negative = next(filter(lambda name: has_negative_variance(name, given[name]), given), None)
    return None if negative is None else f"{negative} holds a variance below 0"


def has_negative_variance(name: str, value: Tensor) -> bool:
    """Whether these are variances of a batch norm, and one is below 0: features would be NaN."""
    return name.endswith("running_var") and bool((value < 0).any())
