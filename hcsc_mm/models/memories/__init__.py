from .key_bank import KeyBank
from .negative_queue import NegativeQueue

__all__ = ["KeyBank", "NegativeQueue"]
