from .load_image import LoadImage
from .shrink import ShrinkImage
from .whole_image import WholeImage

__all__ = ["LoadImage", "ShrinkImage", "WholeImage"]
