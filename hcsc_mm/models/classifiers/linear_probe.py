"""How much of the classes can a line see in frozen features?"""

from __future__ import annotations

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ..utils.pooling import pool


@MODELS.register_module()
class LinearProbe(ImageClassifier):
    """A frozen backbone, pooled, and a head that is trained on it: the linear evaluation of MoCo
    and HCSC.

    No gradient reaches the backbone, and it stays in eval mode whatever mode the model is set to:
    batch norms use the statistics of the pre-training and leave them alone, dropout does nothing.

    Args:
        backbone: Config or module of any backbone of mmpretrain.
        head: Config or module of a classification head on vectors, such as ``LinearClsHead``, whose
            weights start from N(0, 0.01²) and whose biases from 0, as in MoCo.
        pretrained: Weights of the whole model, as in mmpretrain's ``ImageClassifier``; there is no
            neck.
        train_cfg: Batch augmentations, as in mmpretrain's ``ImageClassifier``.
        data_preprocessor: Config or module.
        init_cfg: How weights begin, as in mmengine.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        head: dict | nn.Module,
        pretrained: str | None = None,
        train_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            head=head,
            pretrained=pretrained,
            train_cfg=train_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode: bool = True) -> LinearProbe:
        """Set the mode of the head; the backbone's is eval."""
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, inputs: Tensor, stage: str = "neck") -> Tensor | tuple[Tensor, ...]:
        """Features of images.

        Args:
            inputs: (B, 3, H, W), normalised.
            stage: 'backbone' for its outputs as they are; 'neck' and 'pre_logits' for one vector
                per image.

        Returns:
            A tuple with (B, C) for 'neck', which is what heads take, and (B, C) for 'pre_logits'.

        Raises:
            HCSCError: the stage is unknown, or the features do not fit the head.
        """
        if stage not in ("backbone", "neck", "pre_logits"):
            raise HCSCError(
                f"stage={stage!r} is unknown; choose 'backbone', 'neck' or 'pre_logits'"
            )
        with torch.no_grad():
            outputs = self.backbone(inputs)
            if stage == "backbone":
                return outputs
            features = pool(outputs)
        wanted = getattr(self.head, "in_channels", None)
        if features.ndim != 2 or wanted not in (None, features.shape[1]):
            raise HCSCError(
                f"LinearProbe's head takes in_channels={wanted}, the backbone gives "
                f"{tuple(features.shape)} after pooling; "
                "set model.head.in_channels to the backbone's last number of channels"
            )
        return features if stage == "pre_logits" else (features,)
