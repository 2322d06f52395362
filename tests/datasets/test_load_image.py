"""Images that cannot be read, and those that can."""

import numpy as np
import pytest
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import LoadImage


@pytest.fixture
def photograph(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.jpg", quality=95)
    return tmp_path / "whole.jpg"


def damaged(photograph, kind):
    path = photograph.with_name(f"{kind}.jpg")
    content = photograph.read_bytes()
    if kind != "absent":
        path.write_bytes(
            {"truncated": content[: len(content) // 2], "empty": b"", "text": b"<html>404</html>"}[
                kind
            ]
        )
    return str(path)


DAMAGE = pytest.mark.parametrize("kind", ["truncated", "empty", "text", "absent"])


@pytest.mark.parametrize("unreadable", ["stop", "skip"])
def test_a_whole_image_is_loaded_in_mmcv_s_channel_order(photograph, unreadable):
    results = LoadImage(unreadable)({"img_path": str(photograph)})
    assert results["img_shape"] == results["ori_shape"] == (48, 64)
    np.testing.assert_array_equal(
        results["img"], np.asarray(Image.open(photograph))[..., ::-1]
    )  # BGR


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_images_of_other_modes_have_three_channels(tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new(mode, (5, 4)).save(path)
    assert LoadImage()({"img_path": str(path)})["img"].shape == (4, 5, 3)


@DAMAGE
def test_stop_names_the_path_and_the_remedy(photograph, kind):
    path = damaged(photograph, kind)
    with pytest.raises(HCSCError, match=rf"cannot read image .*{kind}\.jpg .*unreadable='skip'"):
        LoadImage()({"img_path": path})


@DAMAGE
def test_skip_gives_none(photograph, kind):
    assert LoadImage("skip")({"img_path": damaged(photograph, kind)}) is None


def test_an_unknown_policy_is_refused_with_the_known_ones():
    with pytest.raises(HCSCError, match="unreadable='ignore' is unknown; choose 'stop' or 'skip'"):
        LoadImage("ignore")
