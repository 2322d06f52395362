"""The optimizer's groups of parameters, without a line in the log for each that is not trained."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainedParametersConstructor(DefaultOptimWrapperConstructor):
    """mmengine's ``DefaultOptimWrapperConstructor``, which warns of every parameter that needs no
    gradient, for models that have a whole encoder of such: the key encoder.

    Args:
        optim_wrapper_cfg, paramwise_cfg: As in mmengine.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = "", *args: Any, **kwargs: Any
    ) -> None:
        """As in mmengine, of modules in which something is trained."""
        if any(weight.requires_grad for weight in module.parameters()):
            super().add_params(params, module, prefix, *args, **kwargs)
