from .embedder import FEATURES, Embedded, Embedder
from .image_view import ImageBatch, ImageSource, ImageView
from .inferencer import EmbeddedImages, HierarchyInferencer, Placement
from .inputs import list_inputs
from .load_embedder import load_embedder
from .mmpretrain_models import get_model
from .placing import Placed, place

__all__ = [
    "FEATURES",
    "Embedded",
    "EmbeddedImages",
    "Embedder",
    "HierarchyInferencer",
    "ImageBatch",
    "ImageSource",
    "ImageView",
    "Placed",
    "Placement",
    "get_model",
    "list_inputs",
    "load_embedder",
    "place",
]
