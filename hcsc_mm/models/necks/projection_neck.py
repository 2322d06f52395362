"""From whatever a backbone returns to a unit-length embedding."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import at_least_float32, full_precision
from ..utils.pooling import pool


@MODELS.register_module()
class ProjectionNeck(BaseModule):
    """Pooling, a multi-layer perceptron and scaling to unit length.

    As in HCSC and MoCo v2 its hidden layers end in ReLU alone. With ``norm_cfg`` a norm stands
    before each ReLU (SimCLR's batch norm), and with ``norm_last`` another one, without scale and
    shift, after the last layer (MoCo v3's): it takes out what all embeddings of a batch have in
    common, and gives each dimension the same spread. Networks that see few images learn faster so,
    and keep more dimensions (docs/recipe.md).

    Args:
        in_channels: Channels of the backbone's last output.
        hid_channels: Width of the hidden layers.
        out_channels: D, length of the embedding.
        num_layers: Linear layers; 2 in HCSC and MoCo v2, 1 for a plain projection.
        norm_cfg: Of the hidden layers' norm, such as dict(type="BN1d"), or on one process
            dict(type="hcsc_mm.SplitBatchNorm1d", num_splits=4); None (the default): none.
        norm_last: Whether the same norm stands after the last layer, too; False by default.
        init_cfg: How weights begin, as in mmengine; None leaves PyTorch's initialisation, as the
            released code does.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int | None = None,
        out_channels: int = 128,
        num_layers: int = 2,
        norm_cfg: dict | None = None,
        norm_last: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise HCSCError(f"num_layers={num_layers} must be at least 1")
        if norm_last and norm_cfg is None:
            raise HCSCError("norm_last=True of ProjectionNeck needs a norm_cfg, which says of what")
        self.in_channels = in_channels
        self.out_channels = out_channels
        widths = [in_channels] + [hid_channels or in_channels] * (num_layers - 1)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers.append(nn.Linear(width_in, width_out))
            if norm_cfg is not None:
                layers.append(build_norm_layer(norm_cfg, width_out)[1])
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Linear(widths[-1], out_channels))
        if norm_last:
            layers.append(build_norm_layer(dict(norm_cfg, affine=False), out_channels)[1])
        self.mlp = nn.Sequential(*layers)

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
