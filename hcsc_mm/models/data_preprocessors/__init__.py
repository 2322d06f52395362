from .device_augmentation import DeviceAugmentation
from .view_parameters import ViewParameters, ViewRecipe, draw_boxes, draw_parameters

__all__ = ["DeviceAugmentation", "ViewParameters", "ViewRecipe", "draw_boxes", "draw_parameters"]
