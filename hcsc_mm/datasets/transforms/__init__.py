from .load_image import LoadImage
from .whole_image import WholeImage

__all__ = ["LoadImage", "WholeImage"]
