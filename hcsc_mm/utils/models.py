"""The model inside what wraps it."""

from __future__ import annotations

from typing import TypeVar

from mmengine.model import is_model_wrapper
from torch import nn

T = TypeVar("T")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DDP and the like."""
    return model.module if is_model_wrapper(model) else model


def first_of(model: nn.Module, kind: type[T]) -> T | None:
    """The outermost module of a class or protocol, the model itself included; None if none is."""
    return next((module for module in model.modules() if isinstance(module, kind)), None)
