"""From a path to pixels: which files are read, and what an image of any kind becomes. The table of
kinds is docs/bad_data.md.
"""

from __future__ import annotations

import os
import stat

import cv2
import numpy as np
from PIL import Image

from ...utils.text import first_line
from .pictures import read_picture, tiff_picture
from .unreadable import UnreadableImageError
from .values import to_8_bits

_BYTES_PER_PIXEL = 8  # four channels of 16 bits: no image of max_pixels takes more, uncompressed
_UPRIGHT = {  # EXIF orientation → what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_file(path: str, max_pixels: int) -> bytes:
    """The content of a local, regular file.

    Raises:
        UnreadableImageError: it is something else (reading a pipe or a device may never end), or
            too large for an image of max_pixels.
        OSError: it cannot be opened.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError(f"it is {_kind(status.st_mode)}, not a file")
    if status.st_size > _BYTES_PER_PIXEL * max_pixels:
        raise UnreadableImageError(
            f"its {status.st_size:,} bytes are more than an image of max_pixels={max_pixels:,} can "
            "have"
        )
    # Should a pipe have taken the file's place since, opening it would wait for somebody to write
    # into it. Windows has no such flag, and another that keeps line ends as they are.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, os.O_RDONLY | flags), "rb") as file:
        return file.read()


def decode_image(
    content: bytes,
    *,
    color_type: str,
    max_pixels: int,
    max_aspect: float,
    white: float | None = None,
    whole_tiff: bool = False,
    at_least: int = 0,
) -> np.ndarray:
    """The first picture in a file, 8 bits per channel, whatever the file has.

    Args:
        content: The file's bytes.
        color_type: 'color' → (H, W, 3) in OpenMMLab's order, BGR; 'grayscale' → (H, W); both turned
            as the EXIF orientation says, and with '_ignore_orientation' behind it as stored.
            'unchanged' → (H, W) or (H, W, C) as stored; three channels are BGR here, too.
        max_pixels: Limit on H · W, known from the header before anything is decoded.
        max_aspect: Limit on the ratio of the longer side to the shorter one.
        white: Value that becomes 255, see :func:`~.values.to_8_bits`.
        whole_tiff: Read a TIFF by tifffile, all of its pages as one array of H × W × C.
        at_least: A JPEG may be decoded at an eighth, a quarter or half of its size as long as both
            sides keep so many pixels, in a fraction of the time. 0: at its full size.

    Raises:
        UnreadableImageError: it is over a limit, its values have no stated range, or it has more
            channels than a colour.
        Exception: whatever the decoder raises on a broken file.
    """
    limits = (max_pixels, max_aspect)
    picture = (
        tiff_picture(content, *limits, whole=True)
        if whole_tiff
        else read_picture(content, *limits, exact=white is not None, at_least=at_least)
    )
    image = picture.image if picture.values is None else to_8_bits(picture.values, white)
    if isinstance(image, np.ndarray):
        if image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4):
            if color_type != "unchanged":
                raise UnreadableImageError(
                    f"it has {image.shape[2]} channels, which are no colour; set "
                    "color_type='unchanged' of LoadImage"
                )
            return image
        image = Image.fromarray(image.squeeze(2) if image.shape[2:] == (1,) else image)
    if picture.orientation in _UPRIGHT and color_type in ("color", "grayscale"):
        image = image.transpose(_UPRIGHT[picture.orientation])
    return _in_colours(image, color_type)


def reason(error: Exception) -> str:
    """What went wrong, without the path, which a message names once, escaped for one line."""
    if isinstance(error, UnreadableImageError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no image, or of no format that is read here"
    return f"{type(error).__name__}: {first_line(error)}"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((name for test, name in kinds.items() if test(mode)), "something else")


def _in_colours(image: Image.Image, color_type: str) -> np.ndarray:
    """The array that a colour type asks for. Transparency is dropped, as by the released code's
    ``convert('RGB')``, but for 'unchanged'.
    """
    if image.mode in ("P", "PA"):
        # without this detour Pillow warns of palettes with transparency; colours are the same
        image = image.convert("RGBA").convert("RGB")
    if color_type.startswith("grayscale"):
        return np.asarray(image.convert("L"))
    if color_type == "unchanged" and image.mode in ("1", "L", "LA", "RGBA"):
        return np.array(image.convert("L") if image.mode == "1" else image)
    # rgb[..., ::-1] would leave every later copy to reorder it
    return cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
