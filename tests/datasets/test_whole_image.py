"""What the loader's workers do for augmentation on the device: bound the size, pad, collate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from photographs import photographs
from torch.utils.data import DataLoader

from hcsc_mm import HCSCError
from hcsc_mm.datasets import LoadImage, WholeImage, pad_collate


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((375, 500), (375, 500)),
        ((512, 700), (512, 700)),
        ((1024, 1536), (512, 768)),
        ((600, 2400), (256, 1024)),
        ((3, 5000), (1, 1024)),
    ],
)
def test_only_images_over_the_bounds_shrink_and_keep_their_shape(size, expected):
    results = WholeImage(short_side=512, long_side=1024)({"img": image(*size)})
    assert results["img_shape"] == expected
    assert tuple(results["img"].shape) == (3, *expected)
    assert results["img"].dtype == torch.uint8


def test_an_image_within_the_bounds_is_not_changed_or_copied():
    pixels = image(20, 30)
    results = WholeImage()({"img": pixels})
    np.testing.assert_array_equal(results["img"].permute(1, 2, 0).numpy(), pixels)
    assert results["img"].data_ptr() == pixels.__array_interface__["data"][0]


def test_shrinking_averages_over_areas():
    checkers = np.tile(np.array([[0, 200], [200, 0]], dtype=np.uint8), (40, 60))[..., None].repeat(
        3, axis=2
    )  # (80, 120, 3)
    assert set(WholeImage(40, 80)({"img": checkers})["img"].unique().tolist()) == {100}


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (image(4, 4)[..., 0], r"uint8 \(4, 4\)"),
        (image(4, 4).astype(np.float32), "float32"),
        (image(4, 4)[..., :2], r"uint8 \(4, 4, 2\)"),
    ],
)
def test_images_that_are_not_in_colour_or_not_bytes_are_refused(pixels, shown):
    with pytest.raises(
        HCSCError,
        match=rf"takes \(H, W, 3\) uint8 images, not {shown} .*a\.png; load them in colour",
    ):
        WholeImage()({"img": pixels, "img_path": "a.png"})


def test_bounds_that_cannot_be_are_refused():
    with pytest.raises(
        HCSCError, match="short_side=512 must be at least 1 and at most long_side=100"
    ):
        WholeImage(long_side=100)


def test_images_of_different_sizes_lie_unchanged_in_one_tensor():
    pixels = [image(20, 30, 1), image(25, 10, 2), image(1, 1, 3)]
    batch = pad_collate(
        [
            {"inputs": torch.from_numpy(one).permute(2, 0, 1), "data_samples": row}
            for row, one in enumerate(pixels)
        ]
    )
    images, sizes = batch["inputs"]["images"], batch["inputs"]["sizes"]
    assert tuple(images.shape) == (3, 3, 25, 30)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert sizes == [(20, 30), (25, 10), (1, 1)]
    for padded, (height, width), one in zip(images, sizes, pixels, strict=True):
        np.testing.assert_array_equal(padded[:, :height, :width].permute(1, 2, 0).numpy(), one)
    assert batch["data_samples"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (torch.zeros(3, 4, 4), r"torch\.float32 \(3, 4, 4\)"),
        (torch.zeros(1, 4, 4, dtype=torch.uint8), r"torch\.uint8 \(1, 4, 4\)"),
        ([torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2, "list"),
    ],
)
def test_collation_refuses_what_is_no_colour_image_and_says_what_to_do(given, shown):
    with pytest.raises(
        HCSCError,
        match=(
            rf"takes one uint8 \(3, H, W\) image of each sample, not {shown}; end the pipeline "
            r"with WholeImage"
        ),
    ):
        pad_collate([{"inputs": given, "data_samples": None}])


class Photographs(torch.utils.data.Dataset):
    """Three files under the workers' pipeline."""

    def __init__(self, folder) -> None:
        self.paths = []
        for index, one in enumerate(photographs("made", number=3)):
            self.paths.append(str(folder / f"{index}.png"))
            one.save(self.paths[-1])
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            self.pipeline = Compose(
                [LoadImage(), WholeImage(), TRANSFORMS.build(dict(type="PackInputs"))]
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        return self.pipeline({"img_path": self.paths[index], "sample_idx": index})


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_delivers_the_files_pixels_in_bgr_with_their_index(tmp_path, num_workers):
    dataset = Photographs(tmp_path)
    (batch,) = DataLoader(dataset, batch_size=3, num_workers=num_workers, collate_fn=pad_collate)
    for row, one in enumerate(photographs("made", number=3)):
        height, width = batch["inputs"]["sizes"][row]
        assert (width, height) == one.size
        pixels = batch["inputs"]["images"][row, :, :height, :width].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(pixels, np.array(one)[..., ::-1])
        assert batch["data_samples"][row].sample_idx == row
