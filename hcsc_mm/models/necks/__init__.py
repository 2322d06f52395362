from .beside_backbone import BesideBackbone
from .pooling_neck import PoolingNeck
from .projection_neck import ProjectionNeck

__all__ = ["BesideBackbone", "PoolingNeck", "ProjectionNeck"]
