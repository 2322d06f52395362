"""The training images again, each exactly once."""

import pytest
import torch
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import Digits, ExtractionView, ImageFolder

PACK = [{"type": "PackInputs"}]


def folder_view(folder, unreadable="skip"):
    pipeline = [{"type": "hcsc_mm.LoadImage", "unreadable": unreadable}, *PACK]
    return ExtractionView(
        ImageFolder(str(folder), pipeline=[{"type": "hcsc_mm.LoadImage"}, *PACK]), pipeline
    )


@pytest.fixture
def folder(tmp_path):
    for index in range(5):
        Image.new("RGB", (4, 4), (10 * index,) * 3).save(tmp_path / f"{index}.png")
    return tmp_path


def facts(view):
    packed = [view[index] for index in range(len(view))]
    samples = [item["data_samples"] for item in packed]
    return [
        (sample.sample_idx, sample.unreadable, int(item["inputs"].max()))
        for sample, item in zip(samples, packed, strict=True)
    ]


def test_each_image_comes_once_in_order_under_the_other_pipeline():
    dataset = Digits("test", pipeline=[{"type": "Resize", "scale": 16}, *PACK])
    view = ExtractionView(dataset, PACK)
    assert len(view) == len(dataset)
    for index in (0, 7, len(dataset) - 1):
        packed = view[index]
        expected = torch.from_numpy(dataset.get_data_info(index)["img"]).permute(2, 0, 1)
        assert torch.equal(packed["inputs"], expected)
        assert packed["data_samples"].sample_idx == index
        assert not packed["data_samples"].unreadable
    assert dataset[0]["inputs"].shape == (3, 16, 16)


def test_readable_images_are_not_marked(folder):
    assert facts(folder_view(folder)) == [(index, False, 10 * index) for index in range(5)]


def test_a_skipped_image_has_its_own_sample_idx_and_a_mark_and_its_neighbour_s_pixels(folder):
    (folder / "2.png").write_bytes(b"")
    (folder / "4.png").write_bytes(b"")
    assert facts(folder_view(folder)) == [
        (0, False, 0),
        (1, False, 10),
        (2, True, 30),
        (3, False, 30),
        (4, True, 0),
    ]


def test_an_image_that_stops_names_its_path(folder):
    (folder / "2.png").write_bytes(b"")
    with pytest.raises(HCSCError, match=r"cannot read image .*2\.png"):
        folder_view(folder, "stop")[2]


def test_no_readable_image_is_an_error(folder):
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(HCSCError, match="no image of the data set can be read"):
        folder_view(folder)[1]


def test_describe_names_the_path_where_there_is_one(folder):
    assert folder_view(folder).describe(3) == f"sample 3 ({folder}/3.png)"
    assert ExtractionView(Digits("test"), PACK).describe(17) == "sample 17"
