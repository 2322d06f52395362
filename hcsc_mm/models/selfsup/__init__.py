from .hcsc import HCSC, find_hcsc

__all__ = ["HCSC", "find_hcsc"]
