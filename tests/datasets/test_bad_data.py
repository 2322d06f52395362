"""Every kind of bad image, path and folder has the outcome that docs/bad_data.md says."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_paths import LISTED, REFUSED, UNREADABLE, without_privileges
from bad_pictures import PICTURES, UNREADABLE_PICTURES
from bad_runs import RUNS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ExtractionView, ImageFolder, LoadImage

ROOT = Path(__file__).parents[2]
ALL_UNREADABLE = {**UNREADABLE_PICTURES, **UNREADABLE}


@pytest.fixture
def folder():
    """Short enough for a socket's address, and open to everybody."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        inner = Path(outer) / "i"
        inner.mkdir()
        yield inner


def load(path, **options):
    return LoadImage(**options)({"img_path": str(path)})


def rgb(path, **options):
    return load(path, **options)["img"][..., ::-1].astype(int)


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_is_decoded_to_the_pixels_that_were_written(folder, kind):
    picture = PICTURES[kind](folder)
    results = load(picture.path)
    assert results["img"].dtype == np.uint8
    assert results["img_shape"] == results["ori_shape"] == picture.pixels.shape[:2]
    assert np.abs(rgb(picture.path) - picture.pixels).max() <= picture.tolerance


@pytest.mark.parametrize("kind", [kind for kind in PICTURES if "wrong checksum" not in kind])
def test_opencv_sees_the_same_picture(folder, kind):
    path = PICTURES[kind](folder).path
    second_opinion = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert np.abs(rgb(path) - second_opinion[..., ::-1]).max() <= 1


@pytest.mark.parametrize("kind", [kind for kind in PICTURES if kind.startswith("EXIF")])
def test_orientation_is_ignored_if_the_config_says_so_as_in_the_released_code(folder, kind):
    path = PICTURES[kind](folder).path
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert np.abs(rgb(path, color_type="color_ignore_orientation") - stored[..., ::-1]).max() <= 1


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_goes_through_the_pipelines_of_the_folder_config(folder, kind):
    config = Config.fromfile(ROOT / "configs" / "hcsc_r18_200e_folder.py")
    path = PICTURES[kind](folder).path
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        options = dict(
            config.train_dataloader.dataset, data_root=str(folder), extensions=(path.suffix,)
        )
        del options["type"]
        dataset = ImageFolder(**options)
        view = ExtractionView(dataset, config.default_hooks.clustering.pipeline)
        assert [tuple(crop.shape) for crop in dataset[0]["inputs"]] == [(3, 224, 224)] * 2
        assert tuple(view[0]["inputs"].shape) == (3, 224, 224)
        assert not view[0]["data_samples"].unreadable


@pytest.mark.parametrize("kind", ALL_UNREADABLE)
def test_unreadable_image_is_listed_and_stops_or_is_skipped_as_the_config_says(folder, kind):
    make, why = ALL_UNREADABLE[kind]
    path = make(folder)
    with without_privileges():
        dataset = ImageFolder(str(folder))
        assert dataset.get_data_info(0)["img_path"] == str(path)
        with pytest.raises(HCSCError) as error:
            load(path)
        assert load(path, unreadable="skip") is None
    message = str(error.value)
    assert message.startswith(f"cannot read image {path} (")
    assert why in message
    assert "unreadable='skip'" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", LISTED)
def test_path_is_listed_once_and_its_image_is_read(folder, kind):
    expected = LISTED[kind](folder)
    dataset = ImageFolder(str(folder))
    paths = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
    assert paths == [f"{folder}/{name}" for name in expected]
    for path in paths:
        assert np.all(rgb(path) == (10, 20, 30))


@pytest.mark.parametrize("kind", LISTED)
def test_message_about_any_path_is_one_line_that_can_be_printed(folder, kind):
    path = f"{folder}/{LISTED[kind](folder)[0]}"
    Path(path).resolve().write_bytes(b"")
    with pytest.raises(HCSCError) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert str(error.value).encode("utf-8")


@pytest.mark.parametrize("kind", REFUSED)
def test_folder_is_refused_by_name(folder, kind):
    make, why = REFUSED[kind]
    make(folder)
    with without_privileges(), pytest.raises(HCSCError) as error:
        len(ImageFolder(str(folder)))
    assert why.format(folder=folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", RUNS)
def test_run_ends_as_it_should(tmp_path, kind):
    RUNS[kind][0](tmp_path)


def test_folder_given_by_a_list_of_images_is_unreadable(folder):
    (folder / "x.jpg").mkdir()
    with pytest.raises(
        HCSCError, match=r"cannot read image .*x\.jpg \(it is a folder, not a file\)"
    ):
        load(folder / "x.jpg")


def test_limits_on_size_can_be_raised_and_lowered(folder):
    line = UNREADABLE_PICTURES["1 × 101 pixels"][0](folder)
    assert load(line, max_aspect=101)["img_shape"] == (101, 1)
    with pytest.raises(HCSCError, match="exceed max_pixels=100 of LoadImage"):
        load(line, max_aspect=101, max_pixels=100)
    with pytest.raises(HCSCError, match="max_pixels=0"):
        LoadImage(max_pixels=0)


def test_pillow_s_own_limit_is_as_before_after_a_huge_image(folder):
    before = Image.MAX_IMAGE_PIXELS
    load(UNREADABLE_PICTURES["decompression bomb"][0](folder), unreadable="skip")
    assert before is not None
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_table_in_the_docs_lists_these_kinds_and_outcomes_in_this_order():
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \| (.+?) \|",
        (ROOT / "docs" / "bad_data.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    tested = [
        *((kind, "decoded") for kind in PICTURES),
        *((kind, "unreadable") for kind in UNREADABLE_PICTURES),
        *((kind, "listed") for kind in LISTED),
        *((kind, "unreadable") for kind in UNREADABLE),
        *((kind, "refused") for kind in REFUSED),
        *((kind, outcome) for kind, (_, outcome) in RUNS.items()),
    ]
    assert [(kind.replace("`", ""), outcome) for _, kind, outcome in rows] == tested
    assert [int(number) for number, _, _ in rows] == list(range(1, len(tested) + 1))
    assert len(tested) >= 30
