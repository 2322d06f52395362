from .hcsc_head import HCSCHead
from .info_nce_head import InfoNCEHead
from .loss_rule import LossRule
from .path_head import LatentPredictPathHead, PathHead

__all__ = ["HCSCHead", "InfoNCEHead", "LatentPredictPathHead", "LossRule", "PathHead"]
