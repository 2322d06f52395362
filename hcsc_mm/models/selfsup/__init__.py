from .hcsc import HCSC, find_hcsc
from .momentum_contrast import MomentumContrast
from .pcl import PCL

__all__ = ["HCSC", "PCL", "MomentumContrast", "find_hcsc"]
