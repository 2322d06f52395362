"""The optimizer's groups of parameters: of what is trained, with rates that shrink by the layer."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from typing import Any, ClassVar

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..errors import HCSCError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from .configs.roles import PARAMWISE

# option of paramwise_cfg → what of a group it shrinks
_SHRINKS = {"layer_decay_rate": "lr", "layer_weight_decay_rate": "weight_decay"}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainedParametersConstructor(DefaultOptimWrapperConstructor):
    """mmengine's ``DefaultOptimWrapperConstructor`` without its warning of every parameter that
    needs no gradient, for models that have a whole encoder of such, the key encoder; and with rates
    that shrink by the layer towards the image, on top of all that mmengine's options say.

    Layers are those of the backbone's ``get_layer_depth``, which ``hcsc_mm.TIMMBackbone`` (timm's
    groups: a transformer's blocks, a convolutional network's stages, for some the last norm) and
    mmpretrain's transformers and ConvNeXts have; the last of them has the factor once, what
    stands behind them not at all, as BEiT fine-tunes (Bao et al., ICLR 2022).

    Args:
        optim_wrapper_cfg: As in mmengine.
        paramwise_cfg: As in mmengine, and two factors from one layer to the one before it, in
            (0, 1]; 1, the default, treats all alike. ``layer_decay_rate`` (mmpretrain's name) is of
            the learning rate, ``layer_weight_decay_rate`` of the weight decay. AdamW and SGD shrink
            a weight by the product of the two rates, so the first one weakens the decay, too.

    Raises:
        HCSCError: an option that nobody reads, a factor that is out of range, or an optimizer that
            has no rate for it to shrink; when it is called: nothing of the backbone is trained, or
            it does not say how deep its layers are.
    """

    # what it reads of paramwise_cfg → the type
    options: ClassVar[dict[str, Any]] = {**PARAMWISE, **dict.fromkeys(_SHRINKS, float)}

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        for name in self.paramwise_cfg.keys() - self.options.keys():
            known = sorted(self.options)
            close = get_close_matches(name, known, 1)
            raise HCSCError(
                f"nobody reads paramwise_cfg.{name}; "
                + (f"did you mean {close[0]}" if close else f"there are {', '.join(known)}")
            )
        given = {name: self.paramwise_cfg.get(name, 1) for name in _SHRINKS}
        self.rates = {name: rate for name, rate in given.items() if rate != 1}
        self._whole = {"lr": self.base_lr, "weight_decay": self.base_wd}
        for name, rate in self.rates.items():
            if not isinstance(rate, (int, float)) or not 0 < rate < 1:
                raise HCSCError(f"{name}={rate!r} must lie in (0, 1]; 1 trains all layers alike")
            if self._whole[_SHRINKS[name]] is None:
                raise HCSCError(f"{name} needs a {_SHRINKS[name]} of the optimizer")

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = "", *args: Any, **kwargs: Any
    ) -> None:
        """As in mmengine, of modules in which something is trained."""
        if any(weight.requires_grad for weight in module.parameters()):
            super().add_params(params, module, prefix, *args, **kwargs)
        if not prefix and self.rates:
            self._shrink(params, module)

    def _shrink(self, params: list[dict], model: nn.Module) -> None:
        names = {id(weight): name for name, weight in model.named_parameters()}
        shrunk = False
        for group in params:
            (weight,) = group["params"]  # mmengine makes one group of each
            depth, number = self._depth(model, names[id(weight)])
            shrunk = shrunk or depth < number - 1
            for option, rate in self.rates.items():
                what = _SHRINKS[option]
                group[what] = group.get(what, self._whole[what]) * rate ** (number - 1 - depth)
        if not shrunk:
            raise HCSCError(
                f"{' and '.join(self.rates)} of a backbone of which nothing is trained has no "
                "effect; leave it out, or train stages (frozen_stages)"
            )

    def _depth(self, model: nn.Module, name: str) -> tuple[int, int]:
        backbone = getattr(model, "backbone", None)
        if hasattr(backbone, "get_layer_depth"):
            with suppress(NotImplementedError):  # mmpretrain's ResNet-18
                return backbone.get_layer_depth(name, "backbone.")
        raise HCSCError(
            f"{type(backbone).__name__} does not say how deep its layers are; leave out "
            f"{' and '.join(self.rates)}, or take the network from timm (hcsc_mm.TIMMBackbone)"
        )
