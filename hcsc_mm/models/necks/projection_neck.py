"""From whatever a backbone returns to a unit-length embedding."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import at_least_float32, full_precision
from ..utils.pooling import pool


@MODELS.register_module()
class ProjectionNeck(BaseModule):
    """Pooling, a multi-layer perceptron (ReLU, no batch norm) and scaling to unit length.

    Args:
        in_channels: Channels of the backbone's last output.
        hid_channels: Width of the hidden layers.
        out_channels: D, length of the embedding.
        num_layers: Linear layers; 2 in HCSC and MoCo v2, 1 for a plain projection.
        init_cfg: How weights begin, as in mmengine; None leaves PyTorch's initialisation, as the
            released code does.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int | None = None,
        out_channels: int = 128,
        num_layers: int = 2,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise HCSCError(f"num_layers={num_layers} must be at least 1")
        self.in_channels = in_channels
        self.out_channels = out_channels
        widths = [in_channels] + [hid_channels or in_channels] * (num_layers - 1)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), nn.ReLU(inplace=True)]
        self.mlp = nn.Sequential(*layers, nn.Linear(widths[-1], out_channels))

    def forward(self, features: Tensor | tuple[Tensor, ...]) -> Tensor:
        """Embed the last output of a backbone.

        Args:
            features: A feature map (B, C, H, W), tokens (B, T, C) or a vector (B, C), or a tuple
                that ends with one. Feature maps and tokens are averaged over their positions.

        Returns:
            (B, D) float32 or wider, unit length.

        Raises:
            HCSCError: another number of dimensions, or channels that do not fit ``in_channels``.
        """
        features = pool(features)
        if features.ndim != 2 or features.shape[1] != self.in_channels:
            raise HCSCError(
                f"ProjectionNeck(in_channels={self.in_channels}) got features of shape "
                f"{tuple(features.shape)} after pooling; "
                "set in_channels to the backbone's last number of channels"
            )
        embedding = self.mlp(features)
        with full_precision(embedding.device):
            return F.normalize(at_least_float32(embedding), dim=1)
