from .momentum_encoder import MomentumEncoder
from .negative_selection import Draw, bernoulli, keep_probability
from .pooling import pool
from .split_batch_norm import SplitBatchNorm2d

__all__ = ["Draw", "MomentumEncoder", "SplitBatchNorm2d", "bernoulli", "keep_probability", "pool"]
