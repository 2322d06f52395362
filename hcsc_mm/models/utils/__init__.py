from .momentum_encoder import MomentumEncoder
from .pooling import pool
from .split_batch_norm import SplitBatchNorm2d

__all__ = ["MomentumEncoder", "SplitBatchNorm2d", "pool"]
