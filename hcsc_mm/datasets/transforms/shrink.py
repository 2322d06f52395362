"""Images that are larger than needed, made smaller."""

from __future__ import annotations

import cv2
import numpy as np


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
