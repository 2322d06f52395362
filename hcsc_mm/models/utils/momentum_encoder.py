"""The key encoder: a moving average of the query encoder's parameters with batch-norm statistics of
its own.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from ...errors import HCSCError

# of timm and mmcv, of torchvision
_LEAVE_OUT = ("DropPath", "PatchDropout", "StochasticDepth")


class MomentumEncoder(nn.Module):
    """A copy of an encoder whose parameters follow the original's slowly (MoCo, Eq. 2).

    Only parameters are averaged. mmengine's averaged model also copies the query encoder's
    batch-norm buffers at every step; those are statistics of other activations than the key
    encoder's, and in eval mode, where the clustering features are made, they are wrong.

    Dropout and stochastic depth are for the query alone, as in DINO (Caron et al., ICCV 2021),
    whose teacher has none: a key is to say what its image is.

    Args:
        encoder: The query encoder to copy and to follow.
        momentum: Share of the query encoder in each update, as in ``mmpretrain.MoCo``: key ← (1 −
            momentum)·key + momentum·query. The paper's m is 1 − momentum.
    """

    def __init__(self, encoder: nn.Module, momentum: float = 0.001) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise HCSCError(
                f"momentum={momentum} is outside (0, 1]; the paper's m = 0.999 is momentum=0.001 "
                "here"
            )
        self.encoder = deepcopy(encoder).requires_grad_(False)
        self.momentum = momentum

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def train(self, mode: bool = True) -> MomentumEncoder:
        """As in PyTorch, with layers that leave out things at random in eval mode."""
        super().train(mode)
        for layer in self.encoder.modules():
            if type(layer).__name__ in _LEAVE_OUT or isinstance(layer, _DropoutNd):
                layer.eval()
        return self

    @torch.no_grad()
    def update(self, encoder: nn.Module) -> None:
        """Move the parameters towards the query encoder's by ``momentum``; buffers stay as they
        are.
        """
        torch._foreach_lerp_(
            list(self.encoder.parameters()), list(encoder.parameters()), self.momentum
        )

    @torch.no_grad()
    def copy_from(self, encoder: nn.Module) -> None:
        """Become equal to the query encoder, buffers included: the start of training, or weights
        that hold no key encoder.
        """
        self.encoder.load_state_dict(encoder.state_dict())

    def synchronize_statistics(self) -> None:
        """Give all ranks the same running statistics: see :func:`synchronize_statistics`."""
        synchronize_statistics(self.encoder)


@torch.no_grad()
def synchronize_statistics(network: nn.Module) -> None:
    """Give a network the same running statistics on all ranks: those of the union of what the ranks
    have seen.

    DDP leaves buffers alone (``broadcast_buffers=False`` in mmengine), so each rank has statistics
    of its own, and features would depend on the rank that computed them. The variance of the union
    is E[var + mean²] − E[mean]².
    """
    if get_world_size() == 1:
        return
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None:
            # The difference of squares below cancels in float32.
            mean = layer.running_mean.double()
            moments = torch.stack([mean, layer.running_var.double() + mean**2])
            all_reduce(moments, op="mean")
            layer.running_mean.copy_(moments[0])
            layer.running_var.copy_((moments[1] - moments[0] ** 2).clamp(min=0))
