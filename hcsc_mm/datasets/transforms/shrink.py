"""Images that are larger than needed, made smaller."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


def shrunk_size(size: tuple[int, int], short_side: int, long_side: int) -> tuple[int, int]:
    """Height and width of an image after :func:`shrink`."""
    factor = min(1.0, short_side / min(size), long_side / max(size))
    if factor == 1:
        return size
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def shrink(image: np.ndarray, short_side: int, long_side: int) -> np.ndarray:
    """Shrink an image whose shorter or longer side exceeds a limit, by the mean over areas.

    Args:
        image: (H, W, 3) uint8.
        short_side, long_side: Limits in pixels; the shape of the image stays.

    Returns:
        (H', W', 3) uint8; the image itself if it is within both.
    """
    height, width = shrunk_size(image.shape[:2], short_side, long_side)
    if (height, width) == image.shape[:2]:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


@TRANSFORMS.register_module()
class ShrinkImage(BaseTransform):
    """What a data set with ``memory`` does to an image, for images that come from elsewhere: it is
    shrunk before anything else looks at it.

    Args:
        short_side: Images whose shorter side has more pixels are shrunk to it.
        long_side: Likewise of the longer side; twice ``short_side`` by default.
    """

    def __init__(self, short_side: int, long_side: int | None = None) -> None:
        self.short_side, self.long_side = short_side, long_side or 2 * short_side

    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) or (H, W) uint8, by the same or a smaller one."""
        results["img"] = shrink(results["img"], self.short_side, self.long_side)
        results["img_shape"] = results["img"].shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(short_side={self.short_side}, long_side={self.long_side})"
