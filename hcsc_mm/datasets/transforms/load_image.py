"""Load an image, or say which one cannot be loaded."""

from __future__ import annotations

import re

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log

from ...errors import HCSCError
from ...registry import TRANSFORMS
from .decode import decode_image, one_line_path, read_file, reason

_REMOTE = re.compile(r"\w+://")  # s3://…, https://…: mmengine's file back ends
MEMORY_KEY = "image_memory"  # where a data set puts its ImageMemory
_MOST_WARNINGS = 10  # per process: UnreadableImagesHook counts the rest


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` that names the file it could not read, and may skip it.

    Pillow is the default decoder: like the released code, and it notices truncated files, which
    OpenCV fills with grey. What becomes of each kind of image stands in docs/bad_data.md.

    Args:
        unreadable: 'stop' ends the run with the file's path. 'skip' warns and lets the data set
            take another image instead; the clustering leaves skipped images out, and
            :class:`UnreadableImagesHook` counts them and ends the run when they are too many.
        imdecode_backend: As in mmcv.
        color_type: As in mmcv. 'color' turns images as their EXIF orientation says,
            'color_ignore_orientation' leaves them as they are stored: the released code's
            behaviour.
        max_pixels: An image with more counts as unreadable: 10,000 × 10,000 pixels are 300 MB in
            memory, per worker.
        max_aspect: An image whose longer side is more than so many times the shorter one counts as
            unreadable. Resizing its shorter side to 256 would make 256² × max_aspect × 3 bytes of
            it, 20 MB at 100.
        **kwargs: As in mmcv's ``LoadImageFromFile``.
    """

    def __init__(
        self,
        unreadable: str = "stop",
        imdecode_backend: str = "pillow",
        color_type: str = "color",
        max_pixels: int = 100_000_000,
        max_aspect: float = 100,
        **kwargs,
    ) -> None:
        super().__init__(imdecode_backend=imdecode_backend, color_type=color_type, **kwargs)
        if unreadable not in ("stop", "skip"):
            raise HCSCError(f"unreadable={unreadable!r} is unknown; choose 'stop' or 'skip'")
        if max_pixels < 1 or max_aspect < 1:
            raise HCSCError(
                f"max_pixels={max_pixels} and max_aspect={max_aspect} of LoadImage must be at "
                "least 1"
            )
        self.unreadable = unreadable
        self.max_pixels = max_pixels
        self.max_aspect = max_aspect
        self._warnings_left = _MOST_WARNINGS

    def transform(self, results: dict) -> dict | None:
        """Add ``img``, ``img_shape`` and ``ori_shape``; None for an image that is skipped.

        With an :class:`ImageMemory` in the results, which the data set puts there, the image is
        taken from it, or shrunk as it says and kept in it; ``ori_shape`` is that of the file.

        Raises:
            HCSCError: the file cannot be read and ``unreadable='stop'``.
        """
        memory, path = results.pop(MEMORY_KEY, None), results["img_path"]
        kept = None
        if memory is not None and self._is_kept():
            kept = memory.recall(results["sample_idx"], path)
        if kept is None:
            try:
                image = self._load(path)
            except Exception as error:  # noqa: BLE001  decoders raise what they like on broken files
                return self._give_up(path, reason(error))
            if image is None:  # OpenCV's way to say no
                return self._give_up(path, "it does not decode")
            kept = image, image.shape[:2]
            if memory is not None:
                kept = memory.shrink(image), image.shape[:2]
                if self._is_kept():
                    memory.keep(results["sample_idx"], path, *kept)
        image, results["ori_shape"] = kept
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = image.shape[:2]
        return results

    def _is_kept(self) -> bool:
        """Whether this is the decoding that an image memory holds; another is done each time."""
        return self.imdecode_backend == "pillow" and self.color_type == "color"

    def _load(self, path: str) -> np.ndarray | None:
        """(H, W, 3) BGR."""
        if self.file_client_args is not None:
            content = fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        elif self.backend_args is not None or _REMOTE.match(path):
            content = fileio.get(path, backend_args=self.backend_args)
        else:
            content = read_file(path, self.max_pixels)
        if self.imdecode_backend != "pillow" or self.color_type not in (
            "color",
            "color_ignore_orientation",
        ):
            return mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        upright = self.color_type == "color"
        rgb = decode_image(
            content, upright=upright, max_pixels=self.max_pixels, max_aspect=self.max_aspect
        )
        return cv2.cvtColor(
            rgb, cv2.COLOR_RGB2BGR
        )  # rgb[..., ::-1] would leave every later copy to reorder it

    def _give_up(self, path: str, why: str) -> None:
        message = f"cannot read image {one_line_path(path)} ({why})"
        if self.unreadable == "stop":
            raise HCSCError(
                f"{message}; mend or remove it, or set unreadable='skip' in the pipeline's "
                "LoadImage"
            )
        if self._warnings_left > 0:
            self._warnings_left -= 1
            print_log(f"skipped: {message}", logger="current", level=30)
