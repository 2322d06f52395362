"""Each operation of a view at fixed amounts, against torchvision (floats), Pillow and mmcv (bytes,
as in the plain pipeline).
"""

from __future__ import annotations

import mmcv
import numpy as np
import pytest
import torch
from photographs import BOTH, as_tensor, photographs
from PIL import ImageFilter, ImageOps
from torchvision.transforms import functional as pil_operations
from torchvision.transforms.v2 import functional as tv

from hcsc_mm.models.data_preprocessors import ViewParameters, ViewRecipe, draw_parameters
from hcsc_mm.models.data_preprocessors import view_operations as ours
from hcsc_mm.models.data_preprocessors.view_parameters import OPERATIONS

AMOUNTS = {
    "brightness": (0.6, 0.93, 1.0, 1.4),
    "contrast": (0.6, 0.93, 1.0, 1.4),
    "saturation": (0.6, 0.93, 1.0, 1.4),
    "hue": (-0.1, -0.03, 0.0, 0.1),
}
COLOURS = {
    "brightness": (ours.adjust_brightness, tv.adjust_brightness, pil_operations.adjust_brightness),
    "contrast": (ours.adjust_contrast, tv.adjust_contrast, pil_operations.adjust_contrast),
    "saturation": (ours.adjust_saturation, tv.adjust_saturation, pil_operations.adjust_saturation),
    "hue": (ours.adjust_hue, tv.adjust_hue, pil_operations.adjust_hue),
}
SIZE = (224, 224)
# Levels of 255: Pillow and OpenCV cut off or round after each operation, and their hue is one of
# 256, six levels apart in strong colours.
WITHIN_ROUNDING = pytest.mark.parametrize(
    ("name", "mean", "most"),
    [("brightness", 0.6, 1), ("contrast", 0.6, 1.6), ("saturation", 0.6, 2), ("hue", 1.2, 12)],
)


def levels(images: torch.Tensor, pil_images: list) -> torch.Tensor:
    """Absolute differences in levels of 255."""
    return (images * 255 - as_tensor(pil_images).float()).abs()


@BOTH
@pytest.mark.parametrize("name", COLOURS)
def test_each_image_gets_its_own_amount_of_what_torchvision_gives_to_one(kind, name):
    images = as_tensor(photographs(kind, size=SIZE)) / 255
    adjust, one_for_all, _ = COLOURS[name]
    expected = torch.stack(
        [one_for_all(image, amount) for image, amount in zip(images, AMOUNTS[name], strict=True)]
    )
    torch.testing.assert_close(
        adjust(images, torch.tensor(AMOUNTS[name])), expected, atol=5e-6, rtol=0
    )


@BOTH
@WITHIN_ROUNDING
def test_colours_are_pillow_s_within_its_rounding(kind, name, mean, most):
    pil_images = photographs(kind, size=SIZE)
    adjust, _, adjust_pil = COLOURS[name]
    changed = adjust(as_tensor(pil_images) / 255, torch.tensor(AMOUNTS[name]))
    difference = levels(
        changed,
        [
            adjust_pil(image, amount)
            for image, amount in zip(pil_images, AMOUNTS[name], strict=True)
        ],
    )
    assert float(difference.mean()) < mean
    assert float(difference.quantile(0.995)) < most


@BOTH
@WITHIN_ROUNDING
def test_colours_are_the_plain_pipeline_s_within_its_rounding(kind, name, mean, most):
    pil_images = photographs(kind, size=SIZE)
    adjust = {
        "brightness": mmcv.adjust_brightness,
        "contrast": mmcv.adjust_contrast,
        "saturation": lambda image, amount, backend: mmcv.adjust_color(
            image, alpha=amount, backend=backend
        ),
        "hue": mmcv.adjust_hue,
    }[name]
    plain = [
        adjust(np.ascontiguousarray(np.array(image)[..., ::-1]), amount, backend="cv2")[
            ..., ::-1
        ].copy()
        for image, amount in zip(pil_images, AMOUNTS[name], strict=True)
    ]
    changed = COLOURS[name][0](as_tensor(pil_images) / 255, torch.tensor(AMOUNTS[name]))
    difference = (
        changed * 255 - torch.from_numpy(np.stack(plain)).permute(0, 3, 1, 2).float()
    ).abs()
    assert float(difference.mean()) < mean
    assert float(difference.quantile(0.995)) < most


def test_hue_of_pure_colours_turns_and_grey_stays_grey():
    colours = torch.tensor(
        [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.3, 0.3, 0.3], [0, 0, 0], [1, 1, 1]]
    )
    images = colours.view(-1, 3, 1, 1).expand(-1, 3, 2, 2)
    turned = ours.adjust_hue(images, torch.full((7,), 1 / 3))[:, :, 0, 0]
    expected = torch.tensor(
        [[0, 1.0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1], [0.3, 0.3, 0.3], [0, 0, 0], [1, 1, 1]]
    )
    torch.testing.assert_close(turned, expected, atol=1e-6, rtol=0)


@BOTH
def test_greyscale_and_solarize_are_those_of_torchvision_and_pillow(kind):
    pil_images = photographs(kind, size=SIZE)
    images = as_tensor(pil_images) / 255
    grey = ours.greyscale(images)
    torch.testing.assert_close(grey, tv.rgb_to_grayscale(images, num_output_channels=3))
    assert (
        float(levels(grey, [image.convert("L").convert("RGB") for image in pil_images]).max()) < 1.2
    )
    assert (
        float(
            levels(
                ours.solarize(images), [ImageOps.solarize(image, 128) for image in pil_images]
            ).max()
        )
        < 1e-3
    )


@BOTH
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 0.9, 1.4, 2.0])
def test_blur_is_pillow_s_up_to_the_edges_within_its_rounding(kind, sigma):
    pil_images = photographs(kind, size=SIZE)
    blurred = ours.gaussian_blur(
        as_tensor(pil_images) / 255, torch.full((len(pil_images),), sigma), max_sigma=2.0
    )
    difference = levels(
        blurred, [image.filter(ImageFilter.GaussianBlur(sigma)) for image in pil_images]
    )
    assert float(difference.mean()) < 0.8
    assert float(difference.max()) < 4  # Pillow rounds after each of six passes
    edge = torch.cat([difference[:, :, :7].flatten(), difference[..., -7:].flatten()])
    assert float(edge.max()) < 4


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.0])
def test_blur_of_a_point_has_the_variance_of_the_gaussian_and_keeps_its_sum(sigma):
    point = torch.zeros(1, 3, 41, 41)
    point[:, :, 20, 20] = 1
    spread = ours.gaussian_blur(point, torch.tensor([sigma]), max_sigma=2.0)[0, 0]
    distance = torch.arange(41.0) - 20
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    for profile in (spread.sum(0), spread.sum(1)):
        assert float((profile * distance**2).sum()) == pytest.approx(sigma**2, rel=1e-4)


def test_each_image_of_a_batch_is_blurred_by_its_own_sigma():
    images = as_tensor(photographs("made", size=(64, 48))) / 255
    sigma = torch.tensor([0.1, 0.7, 1.3, 2.0])
    alone = [
        ours.gaussian_blur(image[None], one[None], max_sigma=2.0)
        for image, one in zip(images, sigma, strict=True)
    ]
    torch.testing.assert_close(ours.gaussian_blur(images, sigma, max_sigma=2.0), torch.cat(alone))


def one_after_the_other(image: torch.Tensor, drawn: ViewParameters) -> torch.Tensor:
    """torchvision's kernels on one (3, H, W) image, in its own order."""
    amounts = drawn.amounts[0].tolist()
    for operation in drawn.rounds[0].tolist():
        name = "none" if operation < 0 else OPERATIONS[operation]
        if name in COLOURS:
            image = COLOURS[name][1](image, amounts[operation])
        elif name == "greyscale":
            image = tv.rgb_to_grayscale(image, num_output_channels=3)
        elif name == "blur":
            image = ours.gaussian_blur(image[None], drawn.amounts[:, operation], max_sigma=2.0)[0]
        elif name == "solarize":
            image = tv.solarize(image, 128 / 255)
    return image


def test_a_batch_in_which_every_image_has_an_order_of_its_own_equals_one_image_after_the_other():
    images = (
        as_tensor([photographs("made", number=4, size=(40, 30))[row % 4] for row in range(48)])
        / 255
    )
    drawn = draw_parameters(ViewRecipe(size=32, solarize_prob=0.2), [(30, 40)] * 48)
    assert len({tuple(order) for order in drawn.rounds[:, :4].tolist()}) > 15
    expected = torch.stack(
        [one_after_the_other(image, drawn[row : row + 1]) for row, image in enumerate(images)]
    )
    # At 128 of 255 solarize jumps: a last digit may decide.
    difference = (ours.apply_operations(images.clone(), drawn, max_sigma=2.0) - expected).abs()
    assert float((difference > 1e-5).float().mean()) < 1e-3


def test_an_image_without_operations_stays_as_it_is():
    images = as_tensor(photographs("made", size=(40, 30))) / 255
    drawn = draw_parameters(ViewRecipe(jitter_prob=0, grey_prob=0, blur_prob=0), [(30, 40)] * 4)
    assert torch.equal(ours.apply_operations(images.clone(), drawn, max_sigma=2.0), images)
