"""Kinds of image files.

Each function writes one into a folder; the table of outcomes is docs/bad_data.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

WIDTH, HEIGHT = 32, 24


class Picture(NamedTuple):
    """A file, and what it has to become.

    Attributes:
        path: Of the file.
        pixels: (H, W, 3) uint8, RGB.
        tolerance: Largest difference of any value: 0, or what JPEG and the like cost.
    """

    path: Path
    pixels: np.ndarray
    tolerance: int = 0


def gradient(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) smooth colours, different in every corner and channel."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack(
        [
            columns * 255 // max(width, 2),
            rows * 255 // max(height, 2),
            200 - columns * 100 // max(width, 2),
        ],
        axis=-1,
    ).astype(np.uint8)


RGB = gradient()
GREY = RGB[..., 0]
GREY_16 = (np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) * 85).astype(np.uint16)  # 0 … 65,195
OPACITY = np.where(np.arange(WIDTH) < WIDTH // 2, 0, 255).astype(np.uint8) + np.zeros(
    (HEIGHT, 1), np.uint8
)


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def jpeg(image: Image.Image, **options) -> bytes:
    buffer = BytesIO()
    image.save(
        buffer,
        "JPEG",
        quality=98,
        **({} if image.mode in ("L", "CMYK") else {"subsampling": 0}),
        **options,
    )
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def saved(
    image: Image.Image, path: Path, pixels: np.ndarray, tolerance: int = 0, **options
) -> Picture:
    image.save(path, **options)
    return Picture(path, pixels, tolerance)


def written(content: bytes, path: Path, pixels: np.ndarray, tolerance: int = 0) -> Picture:
    path.write_bytes(content)
    return Picture(path, pixels, tolerance)


def of_size(width: int, height: int) -> Callable[[Path], Picture]:
    return lambda folder: saved(
        Image.fromarray(gradient(width, height)), folder / "size.png", gradient(width, height)
    )


def grey_16_bit(extension: str) -> Callable[[Path], Picture]:
    def make(folder: Path) -> Picture:
        cv2.imwrite(str(folder / f"deep.{extension}"), GREY_16)
        return Picture(folder / f"deep.{extension}", three((GREY_16 >> 8).astype(np.uint8)))

    return make


def colour_16_bit(folder: Path) -> Picture:
    cv2.imwrite(
        str(folder / "deep.png"), np.stack([GREY_16, GREY_16[::-1], GREY_16[:, ::-1]], axis=-1)
    )  # BGR
    pixels = np.stack([GREY_16[:, ::-1], GREY_16[::-1], GREY_16], axis=-1)
    return Picture(folder / "deep.png", (pixels >> 8).astype(np.uint8))


def palette(folder: Path, **options) -> Picture:
    image = Image.fromarray(RGB).quantize(64)
    return saved(image, folder / "palette.png", np.asarray(image.convert("RGB")), **options)


def one_bit(folder: Path) -> Picture:
    pixels = np.where(GREY > 127, 255, 0).astype(np.uint8)
    return saved(
        Image.fromarray(pixels).convert("1", dither=Image.Dither.NONE),
        folder / "bits.png",
        three(pixels),
    )


def cmyk(folder: Path) -> Picture:
    return written(jpeg(Image.fromarray(RGB).convert("CMYK")), folder / "print.jpg", RGB, 8)


def ycck(folder: Path) -> Picture:
    """As Photoshop writes it: all inverted, the inks as YCbCr beside black, and an Adobe marker
    that says so.
    """
    luma_and_colour = np.asarray(Image.fromarray(255 - RGB).convert("YCbCr"))
    planes = np.concatenate(
        [luma_and_colour, np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=-1
    )  # no black ink, inverted
    content = bytearray(
        jpeg(Image.fromarray(255 - planes, "CMYK"))
    )  # Pillow inverts CMYK when it writes
    marker = content.index(b"Adobe")
    assert content[marker + 11] == 0  # transform: CMYK as it is …
    content[marker + 11] = 2  # … YCCK
    return written(bytes(content), folder / "photoshop.jpg", RGB, 8)


def exif(orientation: int, folder: Path) -> Picture:
    """A photograph stored so that its EXIF orientation brings it back upright."""
    undo = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    tags = Image.Exif()
    tags[0x0112] = undo.get(orientation, 1)
    stored = ImageOps.exif_transpose(_with_exif(Image.fromarray(RGB), tags))
    tags[0x0112] = orientation
    return written(jpeg(stored, exif=tags.tobytes()), folder / f"turned{orientation}.jpg", RGB, 8)


def _with_exif(image: Image.Image, tags: Image.Exif) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "PNG", exif=tags.tobytes())
    return Image.open(buffer)


def broken_exif(folder: Path) -> Picture:
    return written(
        jpeg(Image.fromarray(RGB), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0\0\x01"),
        folder / "exif.jpg",
        RGB,
        8,
    )


def colour_profile(folder: Path) -> Picture:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(Image.fromarray(RGB), folder / "profile.png", RGB, icc_profile=profile)


def frames(name: str, tolerance: int = 0, **options) -> Callable[[Path], Picture]:
    def make(folder: Path) -> Picture:
        first = Image.fromarray(three(GREY) if name.endswith("gif") else RGB)
        return saved(
            first,
            folder / name,
            np.asarray(first),
            tolerance,
            save_all=True,
            append_images=[Image.new("RGB", first.size)],
            **options,
        )

    return make


def whole_png_with_a_wrong_checksum(folder: Path) -> Picture:
    content = bytearray(png(Image.fromarray(RGB)))
    start = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[start - 4 : start])
    content[start + 4 + length] ^= 0xFF
    return written(bytes(content), folder / "checksum.png", RGB)


PICTURES: dict[str, Callable[[Path], Picture]] = {
    "1 × 1 pixel": of_size(1, 1),
    "1 × 100 pixels": of_size(1, 100),
    "greyscale": lambda folder: saved(Image.fromarray(GREY), folder / "grey.png", three(GREY)),
    "greyscale with transparency": lambda folder: saved(
        Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(OPACITY)]),
        folder / "grey_alpha.png",
        three(GREY),
    ),
    "RGB with transparency": lambda folder: saved(
        Image.fromarray(np.concatenate([RGB, OPACITY[..., None]], axis=-1)),
        folder / "alpha.png",
        RGB,
    ),
    "palette": palette,
    "palette with transparency": lambda folder: palette(folder, transparency=bytes(range(64))),
    "1 bit": one_bit,
    "16-bit greyscale PNG": grey_16_bit("png"),
    "16-bit RGB PNG": colour_16_bit,
    "16-bit greyscale TIFF": grey_16_bit("tif"),
    "16-bit PGM": grey_16_bit("pgm"),
    "CMYK JPEG": cmyk,
    "YCCK JPEG, inverted by Adobe": ycck,
    "progressive JPEG": lambda folder: written(
        jpeg(Image.fromarray(RGB), progressive=True), folder / "progressive.jpg", RGB, 8
    ),
    **{
        f"EXIF orientation {number}": lambda folder, number=number: exif(number, folder)
        for number in range(1, 9)
    },
    "broken EXIF block": broken_exif,
    "embedded colour profile": colour_profile,
    "BMP": lambda folder: saved(Image.fromarray(RGB), folder / "image.bmp", RGB),
    "WebP": lambda folder: saved(Image.fromarray(RGB), folder / "image.webp", RGB, lossless=True),
    "animated WebP": frames("animated.webp", lossless=True),
    "animated GIF": frames("animated.gif"),
    "TIFF with several pages": frames("pages.tif"),
    "two pictures in one JPEG (MPO)": frames(
        "stereo.jpg", 8, format="MPO", quality=98, subsampling=0
    ),
    "PNG named .jpg": lambda folder: written(
        png(Image.fromarray(RGB)), folder / "really_png.jpg", RGB
    ),
    "PNG with a wrong checksum and whole pixels": whole_png_with_a_wrong_checksum,
    "JPEG with garbage behind its end": lambda folder: written(
        jpeg(Image.fromarray(RGB)) + b"<html>" * 100, folder / "tail.jpg", RGB, 8
    ),
}


def float_tiff(folder: Path) -> Path:
    cv2.imwrite(str(folder / "float.tif"), GREY_16.astype(np.float32) / 65535)
    return folder / "float.tif"


def integer_tiff(folder: Path) -> Path:
    Image.fromarray(GREY_16.astype(np.int32) * 1000).save(folder / "integer.tif")
    return folder / "integer.tif"


def content(name: str, make: Callable[[], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(make())
        return folder / name

    return write


def broken_off(whole: bytes) -> bytes:
    return whole[: len(whole) * 3 // 4]


def damaged_png() -> bytes:
    damaged = bytearray(
        png(Image.fromarray(np.random.default_rng(0).integers(0, 256, RGB.shape, dtype=np.uint8)))
    )
    damaged[len(damaged) // 2] ^= 0x10
    return bytes(damaged)


def png_that_claims(width: int, height: int) -> bytes:
    """A decompression bomb: a few bytes that declare an enormous image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def sparse_terabyte(folder: Path) -> Path:
    with open(folder / "terabyte.jpg", "wb") as file:
        file.truncate(10**12)
    return folder / "terabyte.jpg"


NO_IMAGE = "it is no image, or of no format that is read here"
# What is written, and the reason that the message has to give.
UNREADABLE_PICTURES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "32-bit float TIFF": (float_tiff, "its 32-bit values have no stated range"),
    "32-bit integer TIFF": (integer_tiff, "its 32-bit values have no stated range"),
    "truncated JPEG": (
        content("half.jpg", lambda: broken_off(jpeg(Image.fromarray(RGB)))),
        "truncated",
    ),
    "truncated PNG": (
        content("half.png", lambda: broken_off(png(Image.fromarray(RGB)))),
        "truncated",
    ),
    "PNG with damaged pixels": (content("damaged.png", damaged_png), "broken data stream"),
    "empty file": (content("empty.jpg", bytes), NO_IMAGE),
    "web page named .jpg": (content("page.jpg", lambda: b"<html>404</html>"), NO_IMAGE),
    "PostScript named .jpg": (
        content(
            "program.jpg",
            lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        ),
        NO_IMAGE,
    ),
    "decompression bomb": (
        content("bomb.png", lambda: png_that_claims(50_000, 50_000)),
        "its 50000 × 50000 pixels exceed max_pixels=100,000,000",
    ),
    "1 × 101 pixels": (
        content("line.png", lambda: png(Image.fromarray(gradient(1, 101)))),
        "its sides of 1 × 101 pixels exceed max_aspect=100",
    ),
    "file of a terabyte": (
        sparse_terabyte,
        "its 1,000,000,000,000 bytes are more than an image of max_pixels",
    ),
}
