"""An image for augmentation on the device: all of it, at a bounded size."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from ...errors import HCSCError
from ...registry import TRANSFORMS
from .shrink import shrink


@TRANSFORMS.register_module()
class WholeImage(BaseTransform):
    """Shrink an image that is larger than needed, and make it a tensor without reordering its
    bytes.

    Args:
        short_side: At most so many pixels. 512 is enough for views of 224 with at least 0.2 of the
            area: √0.2 · 512 = 229.
        long_side: At most so many pixels: one panorama widens the whole batch.
    """

    def __init__(self, short_side: int = 512, long_side: int = 1024) -> None:
        if not 0 < short_side <= long_side:
            raise HCSCError(
                f"short_side={short_side} must be at least 1 and at most long_side={long_side}"
            )
        self.short_side = short_side
        self.long_side = long_side

    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) uint8, by a (3, H', W') uint8 tensor whose channels are last
        in memory.

        Raises:
            HCSCError: the image has another shape or type.
        """
        image = results["img"]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            path = results.get("img_path", "")
            raise HCSCError(
                f"WholeImage takes (H, W, 3) uint8 images, not {image.dtype} {image.shape} {path}; "
                "load them in colour"
            )
        image = shrink(image, self.short_side, self.long_side)
        results["img"] = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        results["img_shape"] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(short_side={self.short_side}, long_side={self.long_side})"
