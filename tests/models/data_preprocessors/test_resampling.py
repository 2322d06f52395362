"""Crop, resize and flip, against Pillow, which the plain pipeline uses."""

from __future__ import annotations

import pytest
import torch
from photographs import BOTH, as_tensor, photographs
from PIL import Image

from hcsc_mm.models.data_preprocessors import draw_boxes
from hcsc_mm.models.data_preprocessors.resampling import (
    crop_and_resize,
    crop_and_resize_batch,
    resampling_matrix,
)

BOXES = torch.tensor(
    [[0, 0, 150, 200], [7, 3, 90, 61], [31, 20, 17, 23], [100, 120, 50, 80]]
)  # shrinking, growing, at the edges
FLIP = torch.tensor([False, True, False, True])
IMAGE = (200, 150)


def pillow(images: list[Image.Image], size: int) -> torch.Tensor:
    views = []
    for image, (top, left, height, width), mirrored in zip(
        images, BOXES.tolist(), FLIP.tolist(), strict=True
    ):
        view = image.crop((left, top, left + width, top + height)).resize(
            (size, size), Image.Resampling.BILINEAR
        )
        views.append(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else view)
    return as_tensor(views)


@BOTH
@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_image_by_image_it_is_pillow_s_but_for_a_level(kind, size, memory_format):
    images = photographs(kind, size=IMAGE)
    views = crop_and_resize(
        as_tensor(images).contiguous(memory_format=memory_format), BOXES, FLIP, size
    )
    assert views.dtype == torch.uint8
    assert int((views.int() - pillow(images, size).int()).abs().max()) <= 1


@BOTH
@pytest.mark.parametrize("size", [32, 64, 224])
def test_all_at_once_it_is_pillow_s_before_its_rounding(kind, size):
    images = photographs(kind, size=IMAGE)
    views = crop_and_resize_batch(as_tensor(images).float(), BOXES.float(), FLIP.float(), size)
    difference = (views - pillow(images, size)).abs()
    assert float(difference.max()) < 1.1  # rounded after each axis
    assert float(difference.mean()) < 0.35


def test_half_precision_errs_by_less_than_a_quarter_of_a_level():
    images = as_tensor(photographs("made", size=(64, 48)))
    boxes, flip = draw_boxes([(48, 64)] * 4, (0.2, 1.0), (3 / 4, 4 / 3)).float(), FLIP.float()
    exact = crop_and_resize_batch(images.double(), boxes.double(), flip.double(), 24)
    half = crop_and_resize_batch(images.half(), boxes, flip, 24)
    assert half.dtype == torch.float16
    assert float((half.double() - exact).abs().max()) < 0.25


def test_padding_and_neighbours_beyond_the_box_do_not_leak_in():
    image = as_tensor(photographs("made", number=1, size=IMAGE))
    box, flip = torch.tensor([[20, 30, 60, 80]]), torch.tensor([False])
    poisoned = torch.full((1, 3, 180, 260), 255, dtype=torch.uint8)
    poisoned[:, :, 20:80, 30:110] = image[:, :, 20:80, 30:110]
    for size in (24, 96):
        assert torch.equal(
            crop_and_resize(image, box, flip, size), crop_and_resize(poisoned, box, flip, size)
        )
        clean, dirty = (
            crop_and_resize_batch(one.float(), box.float(), flip.float(), size)
            for one in (image, poisoned)
        )
        torch.testing.assert_close(clean, dirty)


def test_weights_of_every_output_pixel_sum_to_one_and_a_box_of_the_output_s_size_is_copied():
    start, extent = torch.tensor([0.0, 5.0, 3.0]), torch.tensor([40.0, 16.0, 1.0])
    weights = resampling_matrix(start, extent, torch.zeros(3), 40, 16)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 16))
    assert torch.equal(weights[1], torch.eye(40)[5:21])
    mirrored = resampling_matrix(start, extent, torch.ones(3), 40, 16)
    torch.testing.assert_close(mirrored, weights.flip(1))
