"""Mixed precision, on GPUs and on CPUs, and the order of images in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ..errors import HCSCError
from ..registry import OPTIM_WRAPPERS
from ..utils.models import unwrapped

KINDS = ("fp16", "bf16")
_BF16 = "hcsc_mm.BFloat16OptimWrapper"
_ENCODERS = ("backbone", "momentum_encoder")


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's ``OptimWrapper`` whose steps run under bfloat16 autocast, on GPUs and CPUs.

    bfloat16 has float32's range, so that no gradient is scaled; mmengine's ``AmpOptimWrapper``
    scales them, and works on no CPU. Weights, their gradients and the optimizer's state stay
    float32; losses, probabilities and the queue are computed in float32 as ever.

    Args:
        **kwargs: Arguments of ``OptimWrapper``.
    """

    cast_dtype = torch.bfloat16

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """As in mmengine; the network within it runs in bfloat16 where PyTorch holds that safe."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


def use_mixed_precision(cfg: Config, kind: str = "fp16") -> None:
    """Let a config train with automatic mixed precision.

    Args:
        cfg: Has an ``optim_wrapper``; changed in place.
        kind: 'fp16' with a loss scaler, on GPUs (the default), or 'bf16' without one.
    """
    if kind == "bf16":
        cfg.optim_wrapper.type = _BF16
        for name in ("loss_scale", "dtype"):
            cfg.optim_wrapper.pop(name, None)
        return
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def check_precision(cfg: Config) -> str | None:
    """What a config's precision means on this machine.

    Returns:
        A warning; None if there is none.

    Raises:
        HCSCError: fp16 without a GPU.
    """
    kind = (cfg.get("optim_wrapper") or {}).get("type")
    if torch.cuda.is_available():
        return None
    if kind == "AmpOptimWrapper":
        raise HCSCError(
            "fp16 mixed precision needs a GPU, which PyTorch does not see here; take --amp bf16, "
            "or leave out --amp"
        )
    if kind in (_BF16, BFloat16OptimWrapper) and not cpu_has_bfloat16():
        return (
            "this CPU has no bfloat16 arithmetic (avx512_bf16 or amx_bf16): --amp bf16 will be "
            "slower than float32 on it; leave out --amp"
        )
    return None


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself; True where PyTorch cannot tell."""
    asked = [
        getattr(torch.cpu, name, None)
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    known = [ask() for ask in asked if ask is not None]
    return any(known) or not known


def use_channels_last(runner: Runner) -> None:
    """Do what ``channels_last=True`` at the top of a config asks for.

    Weights of convolutions and the images that the encoders get lie in memory with the channels of
    a pixel side by side, which PyTorch's convolutions are faster with on CPUs and on tensor cores.
    Names, shapes and values stay, and checkpoints fit either way.

    Args:
        runner: Built, not trained.

    Raises:
        HCSCError: the model has no backbone.
    """
    if not runner.cfg.get("channels_last"):
        return
    model = unwrapped(runner.model)
    if not isinstance(getattr(model, "backbone", None), nn.Module):
        raise HCSCError(
            f"channels_last=True is for the backbone, and {type(model).__name__} has none; leave "
            "it out"
        )
    for name in _ENCODERS:
        encoder = getattr(model, name, None)
        if isinstance(encoder, nn.Module):
            encoder.register_forward_pre_hook(_reorder)
    runner.register_hook(_ReorderWeights(), priority="VERY_HIGH")


class _ReorderWeights(Hook):
    """After the weights have got their first values: random numbers are drawn in the order of the
    memory, and would be others.
    """

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        for encoder in (getattr(model, name, None) for name in _ENCODERS):
            if isinstance(encoder, nn.Module):
                encoder.to(memory_format=torch.channels_last)

    before_val = before_test = before_train


def _reorder(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        one.contiguous(memory_format=torch.channels_last)
        if isinstance(one, Tensor) and one.ndim == 4
        else one
        for one in inputs
    )
