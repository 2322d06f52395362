from .hcsc_head import HCSCHead
from .loss_rule import LossRule

__all__ = ["HCSCHead", "LossRule"]
