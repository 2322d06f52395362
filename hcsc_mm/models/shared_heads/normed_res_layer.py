"""The head that C4 detectors share between boxes and masks, as pre-trained backbones are compared
with it.
"""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_norm_layer
from mmdet.models.roi_heads.shared_heads import ResLayer
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class NormedResLayer(BaseModule):
    """A stage of ResNet that is followed by one more norm.

    The features of a self-supervised backbone differ in scale from a supervised one's, for which
    the detectors' learning rates were chosen; the norm takes the difference away (MoCo, section
    4.2, and ``Res5ROIHeadsExtraNorm`` in its detection code).

    Args:
        norm_cfg: Config of the stage's norms and of the one behind it.
        init_cfg: How weights of the stage alone begin: pre-trained weights hold nothing for the
            norm behind it.
        **kwargs: Further arguments of mmdetection's shared head ``ResLayer``.
    """

    def __init__(
        self, norm_cfg: dict, init_cfg: dict | list[dict] | None = None, **kwargs: Any
    ) -> None:
        super().__init__()
        self.stage = ResLayer(norm_cfg=norm_cfg, init_cfg=init_cfg, **kwargs)
        *_, last = (module for module in self.stage.modules() if isinstance(module, nn.Conv2d))
        _, self.norm = build_norm_layer(norm_cfg, last.out_channels)

    def forward(
        self, features: Tensor
    ) -> Tensor:  # (R, C / 2, H, W) of R regions → (R, C, H / 2, W / 2)
        return self.norm(self.stage(features))
