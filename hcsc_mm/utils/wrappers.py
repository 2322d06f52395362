"""The model inside what mmengine wraps it in."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DDP and the like."""
    return model.module if is_model_wrapper(model) else model
