"""What shuffled batch norm does over ranks, on one process."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS


class _InParts(nn.Module):
    """Mixin of a batch norm: separate statistics for each of several parts of the batch."""

    _abbr_ = "bn"  # mmcv names layers by it: the keys stay those of plain batch norm

    def __init__(
        self,
        num_features: int,
        num_splits: int = 8,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            num_features, eps=eps, momentum=momentum, affine=affine, device=device, dtype=dtype
        )
        if num_splits < 1:
            raise HCSCError(f"num_splits={num_splits} must be at least 1")
        self.num_splits = num_splits

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, …) → (B, C, …).

        Raises:
            HCSCError: in training mode, if num_splits does not divide B.
        """
        if not self.training:
            return super().forward(features)
        self._check_input_dim(features)
        batch, channels, *positions = features.shape
        if batch % self.num_splits:
            raise HCSCError(
                f"batch {batch} is not divisible by num_splits={self.num_splits}; change the batch "
                "size, set num_splits in norm_cfg, or drop the last batch"
            )
        if _lies_channels_last(features):
            return self._part_by_part(features)
        # Row i goes to part i % num_splits: each part becomes C further channels of a batch of B
        # / num_splits.
        parts = features.reshape(-1, channels * self.num_splits, *positions)
        mean, var = self._repeated(self.running_mean), self._repeated(self.running_var)
        output = F.batch_norm(
            parts,
            mean,
            var,
            self._repeated(self.weight),
            self._repeated(self.bias),
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
        with torch.no_grad():
            self.running_mean.copy_(mean.view(self.num_splits, channels).mean(dim=0))
            self.running_var.copy_(var.view(self.num_splits, channels).mean(dim=0))
            self.num_batches_tracked += 1
        output = output.view(features.shape)
        # Inside a checkpoint of activations (with_cp=True) gradients are off for what has them;
        # PyTorch refuses a view that leaves one and is changed in place, as a residual sum is.
        learns = self.affine and self.weight.requires_grad
        recomputed = learns and not torch.is_grad_enabled()
        return output.clone() if recomputed else output

    def _repeated(self, values: Tensor | None) -> Tensor | None:
        """(C,) → (num_splits · C,)."""
        return None if values is None else values.repeat(self.num_splits)

    def _part_by_part(self, images: Tensor) -> Tensor:
        """As :meth:`forward`, for images that lie channels last, and stay so: as further channels
        of a smaller batch they would have to be brought into the other order and back.
        """
        outputs, means, variances = [], [], []
        for part in _Deal.apply(images, self.num_splits):
            mean, var = self.running_mean.clone(), self.running_var.clone()
            outputs.append(
                F.batch_norm(
                    part,
                    mean,
                    var,
                    self.weight,
                    self.bias,
                    training=True,
                    momentum=self.momentum,
                    eps=self.eps,
                )
            )
            means.append(mean)
            variances.append(var)
        with torch.no_grad():
            self.running_mean.copy_(torch.stack(means).mean(dim=0))
            self.running_var.copy_(torch.stack(variances).mean(dim=0))
            self.num_batches_tracked += 1
        return _Collect.apply(*outputs)


@MODELS.register_module()
class SplitBatchNorm2d(_InParts, nn.BatchNorm2d):
    """Batch norm of feature maps (B, C, H, W) with separate statistics for each of several parts of
    the batch, as if each part were on a GPU of its own.

    Query and key encoder would otherwise see the same images in the same batch and could tell a
    positive by its statistics; with the key batch shuffled first (``HCSC(shuffle_key_batch=True)``)
    they do not (MoCo, Section 3.3, and its CIFAR recipe). In eval mode it *is* batch norm, and its
    state dict has the same keys.

    Args:
        num_features: Number of channels, C.
        num_splits: Parts of a training batch; the batch must be divisible by it.
        eps, momentum, affine, device, dtype: Passed on to ``torch.nn.BatchNorm2d``. The running
            statistics cannot be left out.
    """


@MODELS.register_module()
class SplitBatchNorm1d(_InParts, nn.BatchNorm1d):
    """:class:`SplitBatchNorm2d` of vectors (B, C), for the layers of a projection."""


def _lies_channels_last(features: Tensor) -> bool:
    """Whether the channels of a pixel lie side by side, and those of one image do not."""
    if features.ndim != 4 or features.is_contiguous():
        return False
    return features.is_contiguous(memory_format=torch.channels_last)


class _Deal(torch.autograd.Function):
    """Images → parts, image i to part i % parts; as plain slices each part's gradient would be a
    whole batch of zeros, and lie in an order that batch norm is slow with.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, parts: int) -> tuple[Tensor, ...]:
        return _deal(images, parts)

    @staticmethod
    def backward(ctx: Any, *parts: Tensor) -> tuple[Tensor, None]:
        return _collect(parts), None


class _Collect(torch.autograd.Function):
    """What :class:`_Deal` did, undone."""

    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        ctx.parts = len(parts)
        return _collect(parts)

    @staticmethod
    def backward(ctx: Any, images: Tensor) -> tuple[Tensor, ...]:
        return _deal(images, ctx.parts)


def _deal(images: Tensor, parts: int) -> tuple[Tensor, ...]:
    """(B, C, H, W) → as many tensors (B / parts, C, H, W), channels last."""
    return tuple(
        images[part::parts].contiguous(memory_format=torch.channels_last) for part in range(parts)
    )


def _collect(parts: Sequence[Tensor]) -> Tensor:
    """Tensors (B / parts, C, H, W) → (B, C, H, W), channels last."""
    few, *shape = parts[0].shape
    images = torch.empty(
        (few * len(parts), *shape),
        dtype=parts[0].dtype,
        device=parts[0].device,
        memory_format=torch.channels_last,
    )
    for part, some in enumerate(parts):
        images[part :: len(parts)] = some
    return images
