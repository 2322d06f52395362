"""Load an image, or say which one cannot be loaded."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal

import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log

from ...errors import HCSCError
from ...registry import TRANSFORMS
from ...utils.text import one_line_path
from .decode import decode_image, read_file, reason
from .pictures import check_header
from .unreadable import UnreadableImageError

if TYPE_CHECKING:
    from ..image_memory import ImageMemory

COLOR_TYPES = (
    "color",
    "grayscale",
    "unchanged",
    "color_ignore_orientation",
    "grayscale_ignore_orientation",
)
_OUR_DECODERS = ("pillow", "tifffile")
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
        imdecode_backend: 'pillow', 'tifffile' (a TIFF's pages or planes as channels) or one of
            mmcv's others, which have outcomes of their own.
        color_type: Which channels to give. 'color' is three, BGR; 'grayscale' is one; 'unchanged'
            is any number, of which three are BGR, as everywhere in OpenMMLab, and others are in the
            file's order. 'color' turns images as their EXIF orientation says,
            'color_ignore_orientation' leaves them as they are stored: the released code's
            behaviour.
        white: Value of white in files of more than 8 bits per channel: 4095 for 12 bits. 'auto':
            the data set finds it in a sample of its files (:func:`~.range_of_set.settle`). None:
            65535 of 16 bits, or what the file says; 32-bit values are unreadable then.
        max_pixels: An image with more counts as unreadable: 10,000 × 10,000 pixels are 300 MB in
            memory, per worker.
        max_aspect: An image whose longer side is more than so many times the shorter one counts as
            unreadable. Resizing its shorter side to 256 would make 256² × max_aspect × 3 bytes of
            it, 20 MB at 100.
        **kwargs: Further arguments of mmcv's ``LoadImageFromFile``.
    """

    def __init__(
        self,
        unreadable: Literal["stop", "skip"] = "stop",
        imdecode_backend: str = "pillow",
        color_type: str = "color",
        white: float | str | None = None,
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
        if color_type not in COLOR_TYPES:
            raise HCSCError(
                f"color_type={color_type!r} of LoadImage is unknown; choose one of "
                f"{', '.join(COLOR_TYPES)}"
            )
        check_white(white)
        if white is not None and imdecode_backend not in _OUR_DECODERS:
            raise HCSCError(
                f"white={white!r} of LoadImage needs imdecode_backend='pillow' or 'tifffile', not "
                f"{imdecode_backend!r}, whose values it does not see"
            )
        self.white = white
        self.channels: int | None = None  # of 'unchanged' images, once a data set knows it
        self.unreadable = unreadable
        self.max_pixels = max_pixels
        self.max_aspect = max_aspect
        self._warnings_left = _MOST_WARNINGS

    def transform(self, results: dict) -> dict | None:
        """Add ``img``, ``img_shape`` and ``ori_shape``; None for an image that is skipped.

        An image that is there already, in ``img`` without ``img_path``, is left as it is: data sets
        without files, and mmpretrain's inferencers, bring it with them. With an
        :class:`ImageMemory` in the results, which the data set puts there, the image is taken from
        it, or shrunk as it says and kept in it; ``ori_shape`` is that of the file.

        Raises:
            HCSCError: the file cannot be read and ``unreadable='stop'``.
        """
        if self.white == "auto":
            raise HCSCError(
                "white='auto' of LoadImage is found by hcsc_mm.ImageFolder and "
                "hcsc_mm.LabelledImages; give a number for other data sets"
            )
        try:
            return self.load(results)
        except UnreadableImageError as error:
            return self._give_up(results["img_path"], str(error))

    def load(self, results: dict) -> dict:
        """:meth:`transform`, whatever ``unreadable`` says.

        Raises:
            UnreadableImageError: the file cannot be read; says why, without its path.
        """
        memory = results.pop(MEMORY_KEY, None)
        if "img_path" not in results and "img" in results:
            image = results["img"]
            original = image.shape[:2]
        elif memory is None:
            image = self._read(results["img_path"])
            original = image.shape[:2]
        else:
            image, original = self._remember(memory, results["sample_idx"], results["img_path"])
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"], results["ori_shape"] = image.shape[:2], original
        return results

    def _remember(
        self, memory: ImageMemory, index: int, path: str
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """An image, shrunk, and height and width before; read if nobody has kept it."""
        kind = f"{self.imdecode_backend} {self.color_type} {self.white} {path}"
        kept = memory.recall(index, kind)
        if kept is None:
            image = self._read(path)
            kept = memory.shrink(image), image.shape[:2]
            memory.keep(index, kind, *kept)
        return kept

    def _read(self, path: str) -> np.ndarray:
        try:
            image = self._load(path)
        except Exception as error:
            # decoders raise whatever they like on broken files
            raise UnreadableImageError(reason(error)) from error
        if image is None:  # OpenCV's way to say no
            raise UnreadableImageError("it does not decode")
        return image

    def content(self, path: str) -> bytes:
        """The bytes of a file, local or of one of mmengine's file back ends."""
        if self.file_client_args is not None:
            return fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        if self.backend_args is not None or _REMOTE.match(path):
            content = fileio.get(path, backend_args=self.backend_args)
            if content is None:  # LMDB's way to say no
                raise FileNotFoundError(2, "No such key in the data base")
            return content
        return read_file(path, self.max_pixels)

    def _load(self, path: str) -> np.ndarray | None:
        """(H, W, 3) BGR, or what ``color_type`` asks for; None where OpenCV says no."""
        return self.decode(self.content(path))

    def decode(self, content: bytes) -> np.ndarray | None:
        """What :meth:`transform` makes of the bytes of a file.

        Raises:
            UnreadableImageError: it is over a limit, or has other channels than the data set.
            Exception: whatever the decoder raises on a broken file.
        """
        if self.imdecode_backend not in _OUR_DECODERS:
            check_header(content, self.max_pixels, self.max_aspect)
            return mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        image = decode_image(
            content,
            color_type=self.color_type,
            max_pixels=self.max_pixels,
            max_aspect=self.max_aspect,
            white=self.white,
            whole_tiff=self.imdecode_backend == "tifffile",
        )
        if self.channels not in (None, channels_of(image)):
            raise UnreadableImageError(
                f"it has {channels_of(image)} channels, unlike the {self.channels} of others in "
                "the data set"
            )
        return image

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


def channels_of(image: np.ndarray) -> int:
    """Of an image of shape (H, W) or (H, W, C)."""
    return 1 if image.ndim == 2 else image.shape[2]


def check_white(white: float | str | None) -> None:
    """Raises HCSCError unless it is a value of white, 'auto' or None."""
    is_number = isinstance(white, (int, float)) and not isinstance(white, bool)
    if white not in (None, "auto") and not (is_number and math.isfinite(white) and white > 0):
        raise HCSCError(
            f"white={white!r} of LoadImage must be the value of white in files of more than 8 "
            "bits, such as 4095 for 12 bits, or 'auto'"
        )
