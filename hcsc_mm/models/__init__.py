from .classifiers import LinearProbe
from .data_preprocessors import (
    AnyChannelsPreprocessor,
    DeviceAugmentation,
    ViewRecipe,
    check_channels,
)
from .heads import HCSCHead, LossRule
from .losses import selective_info_nce
from .memories import NegativeQueue
from .necks import ProjectionNeck
from .selfsup import HCSC, find_hcsc
from .utils import Draw, MomentumEncoder, SplitBatchNorm2d, keep_probability, pool

__all__ = [
    "HCSC",
    "AnyChannelsPreprocessor",
    "DeviceAugmentation",
    "Draw",
    "HCSCHead",
    "LinearProbe",
    "LossRule",
    "MomentumEncoder",
    "NegativeQueue",
    "ProjectionNeck",
    "SplitBatchNorm2d",
    "ViewRecipe",
    "check_channels",
    "find_hcsc",
    "keep_probability",
    "pool",
    "selective_info_nce",
]
