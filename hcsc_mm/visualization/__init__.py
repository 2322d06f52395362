from .hierarchy_picture import draw_hierarchy

__all__ = ["draw_hierarchy"]
