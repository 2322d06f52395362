"""Files of more than 8 bits per channel: microscopes, X-ray, satellites."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from logged import logged
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder, LoadImage, check_same_classes
from hcsc_mm.datasets.extraction import ExtractionView

ROWS, COLUMNS = np.mgrid[0:24, 0:32]
TWELVE_BITS = ((ROWS * 32 + COLUMNS) * 5 + 200).astype(np.uint16)  # 200 … 4035
COLOURS = np.stack([TWELVE_BITS, TWELVE_BITS[::-1], TWELVE_BITS[:, ::-1]], axis=-1)  # BGR
TIFF_HEADER = struct.Struct("<2sHI")


def by_opencv(name, array):
    def write(folder):
        cv2.imwrite(str(folder / name), array)
        return folder / name

    return write


def big_endian(folder):
    Image.frombytes("I;16B", (32, 24), TWELVE_BITS.astype(">u2").tobytes()).save(folder / "b.tif")
    return folder / "b.tif"


def grey_and_alpha(folder):
    """Pillow writes no such PNG."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    pixels = np.stack([TWELVE_BITS, np.full_like(TWELVE_BITS, 65535)], axis=-1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    (folder / "la.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 24, 16, 4, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return folder / "la.png"


def tiff(array, photometric=1, bits=16, sample_format=1):
    """One strip without compression, as instruments write it."""

    def write(folder):
        tags = [
            *((256, 4, 32), (257, 4, 24), (258, 3, bits), (259, 3, 1), (262, 3, photometric)),
            *((273, 4, 8 + 2 + 10 * 12 + 4), (277, 3, 1), (278, 4, 24)),
            *((279, 4, len(array)), (339, 3, sample_format)),
        ]
        entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
        content = TIFF_HEADER.pack(b"II", 42, 8) + struct.pack("<H", len(tags)) + entries
        (folder / "x.tif").write_bytes(content + bytes(4) + array)
        return folder / "x.tif"

    return write


def packed_12_bits():
    pairs = TWELVE_BITS.reshape(-1, 2).astype(np.uint32)
    joined = (pairs[:, 0] << 12) | pairs[:, 1]
    return b"".join(int(value).to_bytes(3, "big") for value in joined)


UPPER = (TWELVE_BITS >> 4).astype(np.uint8)
UPPER_COLOURS = (COLOURS >> 4).astype(np.uint8)
SIGNED = TWELVE_BITS.astype(np.int16) - 200
SHARES = TWELVE_BITS.astype(np.float32) / 4095
# kind → (write it, options of LoadImage, (H, W) or (H, W, 3) uint8)
KINDS = {
    "12 bits in a 16-bit PNG": (by_opencv("x.png", TWELVE_BITS), {"white": 4095}, UPPER),
    "12 bits in a 16-bit TIFF": (by_opencv("x.tif", TWELVE_BITS), {"white": 4095}, UPPER),
    "12 bits in a 16-bit PGM": (by_opencv("x.pgm", TWELVE_BITS), {"white": 4095}, UPPER),
    "12 bits, big-endian": (big_endian, {"white": 4095}, UPPER),
    "12 bits of grey beside alpha": (grey_and_alpha, {"white": 4095}, UPPER),
    "12 bits of colour in a PNG": (by_opencv("x.png", COLOURS), {"white": 4095}, UPPER_COLOURS),
    "12 bits of colour in a TIFF": (by_opencv("x.tif", COLOURS), {"white": 4095}, UPPER_COLOURS),
    "12 bits of colour in a PPM": (by_opencv("x.ppm", COLOURS), {"white": 4095}, UPPER_COLOURS),
    "12 bits of colour beside alpha": (
        by_opencv("x.png", np.dstack([COLOURS, np.full_like(TWELVE_BITS, 65535)])),
        {"white": 4095},
        UPPER_COLOURS,
    ),
    "0 to 255 in 16 bits": (
        by_opencv("x.png", TWELVE_BITS // 16),
        {"white": 255},
        (TWELVE_BITS // 16).astype(np.uint8),
    ),
    "16 bits as before": (
        by_opencv("x.png", TWELVE_BITS * 16),
        {},
        UPPER,
    ),
    "12 bits packed as such, which the file says": (tiff(packed_12_bits(), bits=12), {}, UPPER),
    "the same with another white": (tiff(packed_12_bits(), bits=12), {"white": 255}, UPPER),
    "0 is white": (
        tiff(TWELVE_BITS.tobytes(), photometric=0),
        {"white": 4095},
        255 - UPPER,
    ),
    "signed 16 bits": (
        tiff(SIGNED.tobytes(), sample_format=2),
        {"white": 4095},
        (SIGNED >> 4).astype(np.uint8),
    ),
    "shares in floating point": (
        by_opencv("x.tif", SHARES),
        {"white": 1.0},
        np.rint(SHARES * 255).astype(np.uint8),
    ),
    "32-bit integers": (by_opencv("x.tif", TWELVE_BITS.astype(np.int32)), {"white": 4095}, UPPER),
    "8 bits, which white is not for": (by_opencv("x.png", UPPER), {"white": 4095}, UPPER),
}


@pytest.mark.parametrize("color_type", ["color", "grayscale", "unchanged"])
@pytest.mark.parametrize("kind", KINDS)
def test_range_is_the_one_that_is_given_whatever_the_colour_type(tmp_path, kind, color_type):
    write, options, expected = KINDS[kind]
    image = LoadImage(color_type=color_type, **options)({"img_path": str(write(tmp_path))})["img"]
    assert image.dtype == np.uint8
    if color_type == "grayscale" and expected.ndim == 3:
        rgb = Image.fromarray(expected[..., ::-1])
        assert np.array_equal(image, np.asarray(rgb.convert("L")))
        return
    colours = image if image.ndim == 2 else image[..., :3]
    if image.ndim == 3 and image.shape[2] == 4 and expected.ndim == 3:
        colours = colours[..., ::-1]  # four channels are in the file's order
    if expected.ndim == 2 and colours.ndim == 3:
        expected = np.repeat(expected[..., None], 3, axis=2)
    assert np.array_equal(colours, expected)


@pytest.mark.parametrize("color_type", ["color", "grayscale", "unchanged"])
def test_limits_hold_for_every_colour_type_and_decoder(tmp_path, color_type):
    cv2.imwrite(str(tmp_path / "line.png"), np.zeros((1, 101), np.uint16))
    for backend in ("pillow", "cv2"):
        load = LoadImage(color_type=color_type, imdecode_backend=backend)
        with pytest.raises(HCSCError, match="its sides of 101 × 1 pixels exceed max_aspect"):
            load({"img_path": str(tmp_path / "line.png")})
        load = LoadImage(color_type=color_type, imdecode_backend=backend, max_pixels=100)
        with pytest.raises(HCSCError, match="exceed max_pixels=100"):
            load({"img_path": str(tmp_path / "line.png")})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"white": 0}, "white=0 of LoadImage must be"),
        ({"white": "bright"}, "white='bright' of LoadImage must be"),
        ({"white": True}, "white=True of LoadImage must be"),
        ({"white": float("nan")}, "white=nan of LoadImage must be"),
        ({"white": 4095, "imdecode_backend": "cv2"}, "needs imdecode_backend='pillow'"),
        ({"color_type": "colour"}, "color_type='colour' of LoadImage is unknown"),
    ],
)
def test_senseless_options_are_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        LoadImage(**options)


def folder_of(tmp_path, *arrays, name="set"):
    folder = tmp_path / name
    folder.mkdir()
    for number, array in enumerate(arrays):
        cv2.imwrite(str(folder / f"{number}.tif"), array)
    return str(folder)


def loader(dataset):
    return dataset.pipeline.transforms[0]


@pytest.mark.parametrize(
    ("arrays", "white"),
    [
        ([TWELVE_BITS, TWELVE_BITS // 2], 4095),
        ([TWELVE_BITS // 16], 255),
        ([TWELVE_BITS * 4], 16383),
        ([TWELVE_BITS * 16], 65535),
        ([COLOURS // 4], 1023),
        ([SHARES], 1.0),
        ([np.zeros((4, 4), np.uint8), TWELVE_BITS], 4095),
        ([np.zeros((4, 4), np.uint8)], None),
        ([np.dstack([COLOURS, np.full_like(TWELVE_BITS, 65535)])], 4095),
    ],
)
def test_white_is_found_in_a_sample_of_the_set(tmp_path, monkeypatch, arrays, white):
    folder = folder_of(tmp_path, *arrays)
    with logged(monkeypatch) as said:
        dataset = ImageFolder(folder, pipeline=[LoadImage(white="auto")], serialize_data=False)
    assert loader(dataset).white == white
    found = [line for line in said if "white='auto' of LoadImage: " in line.text]
    assert len(found) == (white is not None)
    assert dataset[0]["img"].dtype == np.uint8


@pytest.mark.parametrize(
    ("array", "white", "message"),
    [
        (TWELVE_BITS, None, "none has a value above 4035, and white is 65535: they come out dark"),
        (TWELVE_BITS // 16, None, "in 1 of 256 levels; set white=255"),
        (TWELVE_BITS, 65535, "set white=4095 or white='auto'"),
        (COLOURS, None, "none has a value above 4035"),
        (TWELVE_BITS, 255, "of the pixels lie above white=255 and become white"),
        (SHARES - 0.5, 1.0, "some have values down to -0.45"),
        (TWELVE_BITS * 16, None, None),
        (TWELVE_BITS, 4095, None),
    ],
)
@pytest.mark.parametrize("color_type", ["color", "grayscale"])
def test_a_range_that_loses_what_the_files_hold_is_warned_of(
    tmp_path, monkeypatch, array, white, message, color_type
):
    load = LoadImage(white=white, color_type=color_type)
    with logged(monkeypatch) as said:
        ImageFolder(folder_of(tmp_path, array), pipeline=[load], serialize_data=False)
    warnings = [line.text for line in said if line.level == 30]
    assert len(warnings) == (message is not None)
    assert all(message in text for text in warnings)


def test_the_sample_is_the_same_whenever_it_is_taken(tmp_path):
    arrays = [np.full((2, 2), 100 * number, np.uint16) for number in range(200)]
    folder = folder_of(tmp_path, *arrays)
    whites = {
        loader(ImageFolder(folder, pipeline=[LoadImage(white="auto")], serialize_data=False)).white
        for _ in range(2)
    }
    assert whites == {2.0**16 - 1}  # the largest, 19,900, is the last of the list


def test_extraction_sees_the_pictures_that_training_sees(tmp_path):
    folder = folder_of(tmp_path, TWELVE_BITS)
    dataset = ImageFolder(folder, pipeline=[LoadImage(white="auto")], serialize_data=False)
    view = ExtractionView(dataset, [dict(type="hcsc_mm.LoadImage", white="auto")])
    assert loader(view.dataset).white == 4095
    with pytest.raises(HCSCError, match=r"white=4095\.0 for training and None for extraction"):
        ExtractionView(dataset, [dict(type="hcsc_mm.LoadImage")])


def test_training_and_test_images_have_one_white(tmp_path):
    from hcsc_mm.datasets import LabelledImages

    sets = []
    for name, array in (("train", TWELVE_BITS), ("test", TWELVE_BITS * 16)):
        (tmp_path / name).mkdir()
        folder_of(tmp_path / name, array, name="a")
        load = LoadImage(white="auto")
        sets.append(LabelledImages(str(tmp_path / name), pipeline=[load], serialize_data=False))
    with pytest.raises(HCSCError, match=r"white=4095\.0 for training and 65535\.0 for test"):
        check_same_classes(*sets)


def test_auto_without_a_data_set_that_finds_it_is_refused(tmp_path):
    path = by_opencv("x.png", TWELVE_BITS)(tmp_path)
    with pytest.raises(HCSCError, match=r"white=.auto. of LoadImage is found by"):
        LoadImage(white="auto", unreadable="skip")({"img_path": str(path)})


def test_pages_that_are_not_taken_are_counted(tmp_path, monkeypatch):
    pages = [Image.fromarray(UPPER)] * 2
    (tmp_path / "stacks").mkdir()
    pages[0].save(tmp_path / "stacks" / "a.tif", save_all=True, append_images=pages[1:])
    with logged(monkeypatch) as said:
        ImageFolder(str(tmp_path / "stacks"), pipeline=[LoadImage()], serialize_data=False)
    assert any("1 of 1 images looked at hold several pages" in line.text for line in said)
