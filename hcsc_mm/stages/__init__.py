from .chain import Chain, ChainOptions

__all__ = ["Chain", "ChainOptions"]
