"""Load an image, or say which one cannot be loaded."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log

from ...dependencies import first_line
from ...errors import HCSCError
from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` that names the file it could not read, and may skip it.

    Pillow is the default decoder: like the released code, and it notices truncated files, which OpenCV fills with grey.

    Args:
        unreadable: 'stop' ends the run with the file's path. 'skip' warns and lets the data set take another image instead; the
            clustering leaves skipped images out.
        imdecode_backend: As in mmcv.
        **kwargs: As in mmcv's ``LoadImageFromFile``.
    """

    def __init__(self, unreadable: str = "stop", imdecode_backend: str = "pillow", **kwargs) -> None:
        super().__init__(imdecode_backend=imdecode_backend, **kwargs)
        if unreadable not in ("stop", "skip"):
            raise HCSCError(f"unreadable={unreadable!r} is unknown; choose 'stop' or 'skip'")
        self.unreadable = unreadable

    def transform(self, results: dict) -> dict | None:
        """Add ``img``, ``img_shape`` and ``ori_shape``; None for an image that is skipped.

        Raises:
            HCSCError: the file cannot be read and ``unreadable='stop'``.
        """
        path = results["img_path"]
        try:
            loaded = super().transform(results)
            reason = "it does not decode"
        # Decoders raise whatever they like on broken files; mmcv's own code falls over an image that is None.
        except Exception as error:  # noqa: BLE001
            loaded, reason = None, f"{type(error).__name__}: {first_line(error)}"
        if loaded is not None and loaded.get("img") is not None:
            loaded["img"] = _contiguous(loaded["img"])
            return loaded
        message = f"cannot read image {path} ({reason})"
        if self.unreadable == "stop":
            raise HCSCError(f"{message}; mend or remove it, or set unreadable='skip' in the pipeline's LoadImage")
        print_log(f"skipped: {message}", logger="current", level=30)
        return None


def _contiguous(image: np.ndarray) -> np.ndarray:
    """mmcv makes BGR of Pillow's RGB by a negative stride, which every later copy pays for; OpenCV reorders the bytes in no time."""
    if image.ndim == 3 and image.shape[2] == 3 and image.strides[2] < 0:
        return cv2.cvtColor(np.ascontiguousarray(image[..., ::-1]), cv2.COLOR_RGB2BGR)
    return image
