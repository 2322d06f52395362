"""Numbers of at least 32 bits."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """float64 as it is, all else as float32: what losses and probabilities are computed in."""
    return values if values.dtype == torch.float64 else values.float()


def full_precision(device: torch.device) -> torch.autocast:
    """A context without autocast."""
    return torch.autocast(device.type, enabled=False)
