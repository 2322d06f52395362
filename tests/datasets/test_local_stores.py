"""Recipes and memories see the sizes of images in archives, shards and rows."""

import numpy as np
import pytest
from PIL import Image
from rows import encoded, save_rows
from stores import index, write_folder, write_shards, write_zip

from hcsc_mm.datasets import ImageFolder, LoadImage
from hcsc_mm.datasets.hf_images import HFImages
from hcsc_mm.datasets.tar_images import TarImages
from hcsc_mm.datasets.transforms.pictures import size_of

IMAGES = encoded(np.zeros((2, 20, 24, 3), np.uint8))


def in_zip(tmp_path):
    folder = write_folder(tmp_path / "files", IMAGES)
    return ImageFolder(str(write_zip(tmp_path / "a.zip", folder)))


def in_shards(tmp_path):
    index(write_shards(tmp_path / "shards", IMAGES, 2))
    return TarImages(str(tmp_path / "shards"))


def in_rows(tmp_path):
    save_rows(np.zeros((2, 20, 24, 3), np.uint8), tmp_path / "rows")
    return HFImages(str(tmp_path / "rows"))


@pytest.mark.parametrize("make", [in_zip, in_shards, in_rows])
def test_size_is_read_from_the_header(tmp_path, make):
    assert size_of(make(tmp_path).get_data_info(1)["img_path"]) == (20, 24)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_size_is_that_of_the_upright_image(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (24, 20)).save(tmp_path / f"a.{ending}", exif=exif)
    image = LoadImage().transform({"img_path": str(tmp_path / f"a.{ending}")})["img"]
    assert size_of(str(tmp_path / f"a.{ending}")) == image.shape[:2]


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/a.png", "shards:///no/where.tar@0+9/a.png"])
def test_size_of_what_is_elsewhere_or_nowhere_is_unknown(path):
    assert size_of(path) is None
