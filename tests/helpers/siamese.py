"""SimSiam and BYOL of one convolution, with or without HIRL's head."""

from __future__ import annotations

import torch
from mmpretrain.models.heads import LatentPredictHead
from mmpretrain.models.necks import NonLinearNeck
from torch import Tensor, nn

from hcsc_mm.models.heads import LatentPredictPathHead


class OneOutput(nn.Sequential):
    """Layers whose output is a tuple, as of mmpretrain's backbones."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (super().forward(images),)


def tiny_siamese(
    kind: type[nn.Module], dim: int = 8, num_levels: int = 2, num_negative_paths: int = 30
) -> nn.Module:
    """A model on images of three channels, the same at each call.

    Args:
        kind: mmpretrain's SimSiam or BYOL, or HIRL's.
        dim: D, of the projection.
        num_levels, num_negative_paths: Of HIRL's head.
    """
    torch.manual_seed(0)
    backbone = OneOutput(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    neck = NonLinearNeck(4, 16, dim, norm_cfg=dict(type="BN1d"))
    predictor = dict(type="NonLinearNeck", in_channels=dim, hid_channels=8, out_channels=dim)
    predictor |= dict(with_avg_pool=False, norm_cfg=dict(type="BN1d"))
    parts = dict(loss=dict(type="CosineSimilarityLoss"), predictor=predictor)
    if kind.__name__.startswith("HIRL"):
        paths = dict(channels=dim, num_levels=num_levels, num_negative_paths=num_negative_paths)
        head = LatentPredictPathHead(**parts, **paths)
    else:
        head = LatentPredictHead(**parts)
    return kind(backbone=backbone, neck=neck, head=head)
