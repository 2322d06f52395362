from .any_channels import AnyChannelsPreprocessor, check_channels, for_any_channels
from .device_augmentation import DeviceAugmentation
from .view_parameters import ViewParameters, ViewRecipe, draw_boxes, draw_parameters

__all__ = [
    "AnyChannelsPreprocessor",
    "DeviceAugmentation",
    "ViewParameters",
    "ViewRecipe",
    "check_channels",
    "draw_boxes",
    "draw_parameters",
    "for_any_channels",
]
