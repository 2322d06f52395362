from ...utils.importing import import_all
from .hcsc import HCSC, find_hcsc
from .hirl import HIRL
from .hirl_siamese import HIRLBYOL, HIRLSimSiam
from .interclr import InterCLR
from .mcl import MCL
from .momentum_contrast import MomentumContrast
from .pcl import PCL

__all__ = [
    "HCSC",
    "HIRL",
    "HIRLBYOL",
    "MCL",
    "PCL",
    "HIRLSimSiam",
    "InterCLR",
    "MomentumContrast",
    "find_hcsc",
]

import_all(__name__, __path__)  # a new file needs no entry here
