from .backbones import TIMMBackbone
from .classifiers import LinearProbe
from .contrasts import InfoNCE, Pairs
from .data_preprocessors import (
    AnyChannelsPreprocessor,
    DeviceAugmentation,
    ViewRecipe,
    check_channels,
)
from .heads import HCSCHead, InfoNCEHead, LossRule
from .losses import selective_info_nce
from .memories import NegativeQueue
from .necks import PoolingNeck, ProjectionNeck
from .selection import ClusterSelection, Draw, keep_probability, log_partition
from .selfsup import HCSC, PCL, MomentumContrast, find_hcsc
from .utils import MomentumEncoder, SplitBatchNorm1d, SplitBatchNorm2d, pool

__all__ = [
    "HCSC",
    "PCL",
    "AnyChannelsPreprocessor",
    "ClusterSelection",
    "DeviceAugmentation",
    "Draw",
    "HCSCHead",
    "InfoNCE",
    "InfoNCEHead",
    "LinearProbe",
    "LossRule",
    "MomentumContrast",
    "MomentumEncoder",
    "NegativeQueue",
    "Pairs",
    "PoolingNeck",
    "ProjectionNeck",
    "SplitBatchNorm1d",
    "SplitBatchNorm2d",
    "TIMMBackbone",
    "ViewRecipe",
    "check_channels",
    "find_hcsc",
    "keep_probability",
    "log_partition",
    "pool",
    "selective_info_nce",
]
