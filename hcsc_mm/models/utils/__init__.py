from .momentum_encoder import MomentumEncoder, synchronize_statistics
from .pooling import pool
from .split_batch_norm import SplitBatchNorm1d, SplitBatchNorm2d

__all__ = [
    "MomentumEncoder",
    "SplitBatchNorm1d",
    "SplitBatchNorm2d",
    "pool",
    "synchronize_statistics",
]
