from .pooling_neck import PoolingNeck
from .projection_neck import ProjectionNeck

__all__ = ["PoolingNeck", "ProjectionNeck"]
