from .hcsc import HCSC

__all__ = ["HCSC"]
