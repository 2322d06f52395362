from .hcsc_head import HCSCHead
from .info_nce_head import InfoNCEHead
from .loss_rule import LossRule

__all__ = ["HCSCHead", "InfoNCEHead", "LossRule"]
