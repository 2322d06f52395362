from .hierarchy_picture import draw_hierarchy
from .image_rows import ImageRow, draw_image_rows

__all__ = ["ImageRow", "draw_hierarchy", "draw_image_rows"]
