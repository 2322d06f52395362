from .embedder import Embedded, Embedder
from .load_embedder import load_embedder

__all__ = ["Embedded", "Embedder", "load_embedder"]
