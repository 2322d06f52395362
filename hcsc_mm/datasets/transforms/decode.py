"""From a path to pixels: which files are read, and what an image of any kind becomes. The table of
kinds is docs/bad_data.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image

from ...dependencies import first_line

# Of the formats that Pillow knows those of photographs. Without the list it would guess from the
# content, and hand PostScript in a file called photo.jpg to an outside program.
Image.init()
FORMATS = tuple(
    name
    for name in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
    if name in Image.OPEN
)

_BYTES_PER_PIXEL = 8  # four channels of 16 bits: no image of max_pixels takes more, uncompressed
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {  # EXIF orientation → what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImageError(ValueError):
    """Why a file is not taken as an image, in words of its own."""


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
    # into it.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        return file.read()


def decode_image(
    content: bytes, *, upright: bool, max_pixels: int, max_aspect: float
) -> np.ndarray:
    """(H, W, 3) uint8, RGB, of the first picture in a file.

    Args:
        content: Of the file.
        upright: Turn the image as its EXIF orientation says.
        max_pixels: Limit on H · W, known from the header before anything is decoded.
        max_aspect: Limit on the ratio of the longer side to the shorter one.

    Raises:
        UnreadableImageError: it is over a limit, or its values have no stated range.
        Exception: whatever Pillow raises on a broken file.
    """
    with _without_pillows_limit(), Image.open(BytesIO(content), formats=FORMATS) as image:
        _check_size(*image.size, max_pixels, max_aspect)
        image.load()
        turn = _UPRIGHT.get(_orientation(image)) if upright else None
        rgb = _to_rgb(image)
        return np.asarray(rgb if turn is None else rgb.transpose(turn))


def read_size(path: str) -> tuple[int, int] | None:
    """Height and width of an upright image by its header; None where there is no image to read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with _without_pillows_limit(), Image.open(path, formats=FORMATS) as image:
            turned = _orientation(image) >= 5
            return image.size if turned else image.size[::-1]
    except Exception:  # noqa: BLE001  Pillow raises whatever it likes; who loads the image says what
        return None


def reason(error: Exception) -> str:
    """What went wrong, without the path, which a message names once, escaped for one line."""
    if isinstance(error, UnreadableImageError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no image, or of no format that is read here"
    return f"{type(error).__name__}: {first_line(error)}"


def one_line_path(path: str) -> str:
    """The path with line breaks, control characters and bytes that are no text escaped; all else, é
    and emoji included, as it is.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in path
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((name for test, name in kinds.items() if test(mode)), "something else")


def _check_size(width: int, height: int, max_pixels: int, max_aspect: float) -> None:
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"its {width} × {height} pixels exceed max_pixels={max_pixels:,} of LoadImage"
        )
    if max(width, height) > max_aspect * min(width, height):
        raise UnreadableImageError(
            f"its sides of {width} × {height} pixels exceed max_aspect={max_aspect:g} of LoadImage"
        )


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, as stored, where there is no EXIF block or it is broken: the pixels are none the
    worse for that.
    """
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001  Pillow's EXIF reader raises whatever it likes
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """8 bits per channel. Transparency is dropped, as by the released code's ``convert('RGB')``."""
    # 16-bit greys, which convert() would clip at 255. Pillow gives those of PPM, and older ones
    # those of PNG, as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise UnreadableImageError(
            "its 32-bit values have no stated range; convert it to 8 or 16 bits per channel"
        )
    if image.mode in ("P", "PA"):
        image = image.convert(
            "RGBA"
            # without this detour Pillow warns of palettes with transparency; colours are the same
        )
    return image.convert("RGB")


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Pillow's guard against huge images warns, or raises without a remedy; ours takes its place
    for the time of a call.
    """
    theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = theirs
