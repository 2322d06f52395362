"""Numbers of at least 32 bits."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """float64 as it is, all else as float32: what losses and probabilities are computed in."""
    return values if values.dtype == torch.float64 else values.float()


def full_precision(device: torch.device) -> AbstractContextManager:
    """A context without autocast."""
    if device.type == "meta":  # shapes without numbers, for which there is no autocast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
