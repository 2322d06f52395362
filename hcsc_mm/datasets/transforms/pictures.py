"""The first picture in a file, as Pillow, OpenCV or tifffile find it there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from ..local_stores import is_local_store
from .unreadable import UnreadableImageError, check_size
from .values import WHITE_16, Values

# Of the formats that Pillow knows those of photographs. Without the list it would guess from the
# content, and hand PostScript in a file called photo.jpg to an outside program.
Image.init()
with suppress(ImportError):  # optional: the log names it where there are .heic files
    import pillow_heif

    pillow_heif.register_heif_opener()
_PHOTOGRAPHS = (
    *("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000"),
    *("MPO", "PNG", "PPM", "TIFF", "WEBP"),
)
FORMATS = tuple(name for name in _PHOTOGRAPHS if name in Image.OPEN)

_ORIENTATION_TAG, _BITS_TAG, _PHOTOMETRIC_TAG = 0x0112, 258, 262
_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_WHITE_IS_ZERO = 0
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG_2000_START = b"\xff\x4f\xff\x51"  # of a code stream; the bits of the first channel follow
_JPEG_2000_BITS = 42


class Picture(NamedTuple):
    """What a file holds.

    Attributes:
        image: 8 bits per channel, decoded; of deeper ones None, or their upper 8 bits.
        values: How images of more than 8 bits were mapped, where that was asked for or cannot be
            told otherwise.
        orientation: EXIF's, 1 to 8.
    """

    image: Image.Image | None
    values: Values | None = None
    orientation: int = 1


def read_picture(
    content: bytes, max_pixels: int, max_aspect: float, *, exact: bool, at_least: int = 0
) -> Picture:
    """Decode the first picture.

    Args:
        content: The file's bytes.
        max_pixels, max_aspect: Limits, as in :func:`~.decode.decode_image`.
        exact: Give the values of deep colours, too, of which Pillow has the upper 8 bits only;
            those of deep greys are always given.
        at_least: Sides that suffice, as in :func:`~.decode.decode_image`.

    Raises:
        UnreadableImageError: it is over a limit, or of a kind that is not read here.
        Exception: whatever Pillow raises on a broken file.
    """
    with _without_pillows_limit():
        try:
            opened = Image.open(BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError:
            if content[:4] in _TIFF_STARTS:
                return tiff_picture(content, max_pixels, max_aspect, whole=False)
            raise
        with opened as image:
            check_size(*image.size, max_pixels, max_aspect)
            has_deep_colours = exact and _has_deep_colours(image, content)
            raw_mode, codec = _raw_mode(image), image.tile[0][0] if image.tile else ""
            if at_least:
                image.draft(None, (at_least, at_least))
            image.load()  # raises on what is truncated or damaged
            orientation = _orientation(image)
            if has_deep_colours:
                return Picture(image, _deep_colours(content, image), orientation)
            if _has_deep_greys(image):
                return Picture(None, _deep_greys(image, raw_mode, codec, content), orientation)
            return Picture(image, None, orientation)


def deep_values(content: bytes, max_pixels: int, max_aspect: float) -> Values | None:
    """The values of a picture of more than 8 bits per channel; None, and next to no work, for
    others.

    Raises:
        Exception: see :func:`read_picture`.
    """
    with _without_pillows_limit():
        try:
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                is_deep = _has_deep_greys(image) or _has_deep_colours(image, content)
        except UnidentifiedImageError:
            is_deep = content[:4] in _TIFF_STARTS
    return read_picture(content, max_pixels, max_aspect, exact=True).values if is_deep else None


def check_header(content: bytes, max_pixels: int, max_aspect: float) -> None:
    """Raises UnreadableImageError for an image over a limit, for decoders that ask for none; what
    Pillow does not know is left to them.
    """
    with _without_pillows_limit():
        try:
            size = Image.open(BytesIO(content), formats=FORMATS).size
        except Exception:  # noqa: BLE001  theirs to say what is wrong with it
            return
    check_size(*size, max_pixels, max_aspect)


def tiff_picture(content: bytes, max_pixels: int, max_aspect: float, *, whole: bool) -> Picture:
    """The values of a TIFF by tifffile: any number of channels of any type.

    Args:
        content: The file's bytes.
        max_pixels, max_aspect: Limits, as in :func:`~.decode.decode_image`.
        whole: All pages, as mmcv's back end 'tifffile' reads them; otherwise the first.

    Raises:
        UnreadableImageError: tifffile is not installed, the image is over a limit, or no H × W × C.
        Exception: whatever tifffile raises on a broken file.
    """
    try:
        import tifffile
    except ImportError:
        raise UnreadableImageError(
            "it is a TIFF that Pillow does not read, of many channels or an unusual type; "
            "pip install tifffile"
        ) from None
    with tifffile.TiffFile(BytesIO(content)) as file:
        first = file.pages[0]
        part = file.series[0] if whole else first
        check_size(first.imagewidth, first.imagelength, max_pixels, max_aspect)
        check_size(int(np.prod(part.shape)), 1, 64 * max_pixels, float("inf"))
        array, axes = part.asarray(), part.axes
        inverted = first.photometric == _WHITE_IS_ZERO
    if array.ndim == 3 and axes[0] in "SC":  # channels in planes of their own
        array = np.moveaxis(array, 0, -1)
    if array.ndim not in (2, 3) or array.dtype.kind not in "uif":
        raise UnreadableImageError(
            f"it holds {array.dtype} of shape {array.shape}, which is no image of H × W × C"
        )
    return Picture(None, Values(np.ascontiguousarray(array), None, inverted))


def size_of(path: str) -> tuple[int, int] | None:
    """Height and width of an upright image by its header; None where none can be read, or the image
    is on another machine.
    """
    try:
        if is_local_store(path):
            file = BytesIO(fileio.get(path))
        elif stat.S_ISREG(os.stat(path).st_mode):
            file = path
        else:
            return None
        with _without_pillows_limit(), Image.open(file, formats=FORMATS) as image:
            width, height = _stored_size(image)
            return (width, height) if _orientation(image) >= 5 else (height, width)
    except Exception:  # noqa: BLE001  whoever loads the file says what is wrong with it
        return None


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before a turn; Pillow's are those behind it with a TIFF."""
    if image.format != "TIFF":
        return image.size
    return int(image.tag_v2[_WIDTH_TAG]), int(image.tag_v2[_HEIGHT_TAG])


def number_of_pictures(content: bytes) -> int:
    """How many pages or frames a file holds; 1 for what cannot be told, and for the second picture
    that phones put into a JPEG.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # noqa: BLE001  whoever loads the file says what is wrong with it
        return 1


def _raw_mode(image: Image.Image) -> str:
    """How Pillow's decoder calls what the file stores, such as 'RGB;16B'."""
    arguments = image.tile[0][3] if image.tile else ""
    return arguments if isinstance(arguments, str) or not arguments else str(arguments[0])


def _has_deep_greys(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _has_deep_colours(image: Image.Image, content: bytes) -> bool:
    """Whether Pillow will drop the lower 8 bits of 16, where the file does not say which of the 16
    are used.
    """
    if len(image.getbands()) == 1 or not image.tile:
        return False
    codec, arguments = image.tile[0][0], image.tile[0][3]
    if codec.startswith("ppm"):
        return arguments[1] == WHITE_16
    if image.format == "JPEG2000":
        return _bits_of_jpeg_2000(content) == 16
    return ";16" in _raw_mode(image)


def _deep_colours(content: bytes, image: Image.Image) -> Values:
    """By OpenCV, of a file that Pillow has found whole."""
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image.mode not in ("RGB", "RGBA", "LA") or decoded is None or decoded.dtype != np.uint16:
        raise UnreadableImageError(
            f"its 16 bits of {image.mode} are read with white=None only; convert it to RGB"
        )
    if decoded.ndim == 3:
        decoded = decoded[..., [2, 1, 0, 3][: decoded.shape[2]]]
        decoded = decoded[..., : len(image.getbands())] if image.mode == "RGB" else decoded
    return Values(np.ascontiguousarray(decoded))


def _deep_greys(image: Image.Image, raw_mode: str, codec: str, content: bytes) -> Values:
    array = np.asarray(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    white, inverted = None, False
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_TAG, (16,))[0]
        inverted = image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
        if image.mode == "I" and "16" in raw_mode:
            array = array.astype(np.int16)
        elif array.dtype == np.uint16 and bits < 16:
            white = 2.0**bits - 1
    elif image.format in ("PNG", "PPM") and image.mode == "I":
        array = array.astype(np.uint16)
    if codec.startswith("ppm") and array.dtype == np.uint16:
        white = WHITE_16  # Pillow has scaled by the largest value that the header states
    if image.format == "JPEG2000" and _bits_of_jpeg_2000(content) < 16:
        white = WHITE_16  # likewise
    return Values(array, white, inverted)


def _bits_of_jpeg_2000(content: bytes) -> int:
    start = content.find(_JPEG_2000_START)
    return (content[start + _JPEG_2000_BITS] & 0x7F) + 1 if start >= 0 else 0


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, as stored, where there is no EXIF block or it is broken: the pixels are none the
    worse for that.
    """
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001  Pillow's EXIF reader raises whatever it likes
        return 1


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
