"""The random parameters of views: torchvision's distributions, repeatable by seed."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from scipy import stats
from torchvision.transforms import RandomResizedCrop

from hcsc_mm import HCSCError
from hcsc_mm.models.data_preprocessors import ViewRecipe, draw_boxes, draw_parameters

NUMBER = 4000
RATIO = (3 / 4, 4 / 3)


def same_distribution(one, other) -> bool:
    """False where chance would give such samples once in a thousand times or less."""
    return stats.ks_2samp(one, other).pvalue > 1e-3


def uniform(values, low: float, high: float) -> bool:
    return stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def as_often_as(hits: torch.Tensor, probability: float) -> bool:
    return stats.binomtest(int(hits.sum()), len(hits), probability).pvalue > 1e-3


@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.086, 0.429)])
@pytest.mark.parametrize("size", [(375, 500), (500, 333), (256, 256), (90, 400), (300, 40)])
def test_boxes_have_the_distribution_of_torchvision_s(size, scale):
    height, width = size
    boxes = draw_boxes([size] * NUMBER, scale, RATIO)
    image = torch.empty(3, height, width)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, scale, RATIO) for _ in range(NUMBER)]
    )
    for quantity in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: torch.log(box[:, 3] / box[:, 2]),
        lambda box: box[:, 0],
        lambda box: box[:, 1],
        lambda box: box[:, 0] + box[:, 2],
        lambda box: box[:, 1] + box[:, 3],
    ):
        assert same_distribution(
            quantity(boxes).double().numpy(), quantity(theirs).double().numpy()
        )


def test_boxes_lie_inside_of_images_of_any_size():
    sizes = [(1, 1), (1, 300), (300, 1), (2, 3), (7, 1000), (512, 512), (375, 500)] * 300
    top, left, height, width = draw_boxes(sizes, (0.2, 1.0), RATIO).unbind(1)
    image = torch.tensor(sizes)
    assert bool(((height >= 1) & (width >= 1) & (top >= 0) & (left >= 0)).all())
    assert bool(((top + height <= image[:, 0]) & (left + width <= image[:, 1])).all())


def test_every_place_of_a_box_is_equally_likely():
    top, left, height, width = draw_boxes([(4, 4)] * NUMBER, (0.25, 0.25), (1.0, 1.0)).unbind(1)
    assert bool(((height == 2) & (width == 2)).all())
    assert (
        stats.chisquare((3 * top + left).bincount(minlength=9)).pvalue > 1e-3
    )  # corners at 0, 1, 2 along each axis


def test_area_and_aspect_are_uniform_where_every_box_fits():
    height, width = draw_boxes([(4000, 4000)] * NUMBER, (0.2, 0.5), RATIO)[:, 2:].double().unbind(1)
    assert uniform(height * width / 4000**2, 0.2, 0.5)
    assert uniform(torch.log(width / height), *torch.log(torch.tensor(RATIO)).tolist())


def test_jitter_factors_are_uniform_and_every_order_is_equally_likely():
    drawn = draw_parameters(ViewRecipe(jitter_prob=1.0), [(375, 500)] * NUMBER)
    for operation, (low, high) in enumerate([(0.6, 1.4)] * 3 + [(-0.1, 0.1)]):
        assert uniform(drawn.amounts[:, operation], low, high)
    assert uniform(drawn.amounts[:, 5], 0.1, 2.0)
    orders = [tuple(order) for order in drawn.rounds[:, :4].tolist()]
    counts = [orders.count(order) for order in permutations(range(4))]
    assert sum(counts) == NUMBER
    assert stats.chisquare(counts).pvalue > 1e-3


def test_operations_come_as_often_as_the_recipe_says_and_independently():
    drawn = draw_parameters(ViewRecipe(solarize_prob=0.1), [(375, 500)] * NUMBER)
    jittered = (drawn.rounds[:, :4] >= 0).all(dim=1)
    assert torch.equal(jittered, (drawn.rounds[:, :4] >= 0).any(dim=1)), "all four or none"
    happens = {
        0.8: jittered,
        0.2: drawn.rounds[:, 4] == 4,
        0.5: drawn.rounds[:, 5] == 5,
        0.1: drawn.rounds[:, 6] == 6,
    }
    for probability, hits in happens.items():
        assert as_often_as(hits, probability)
    assert as_often_as(drawn.flip, 0.5)
    for one, other in ((0.8, 0.5), (0.2, 0.5), (0.8, 0.2)):
        assert as_often_as(happens[one] & happens[other], one * other)
    assert as_often_as(drawn.flip & jittered, 0.4)


def test_a_part_of_the_jitter_that_is_zero_is_left_out():
    drawn = draw_parameters(
        ViewRecipe(jitter=(0.4, 0.0, 0.4, 0.0), jitter_prob=1.0), [(30, 40)] * 50
    )
    assert {operation for order in drawn.rounds[:, :4].tolist() for operation in order} == {
        -1,
        0,
        2,
    }


def test_parameters_follow_the_seed_of_pytorch_and_of_a_generator_of_one_s_own():
    def draw(seed: int | None = None):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        drawn = draw_parameters(ViewRecipe(), [(375, 500), (40, 30)], generator)
        return torch.cat([drawn.boxes, drawn.flip[:, None], drawn.rounds, drawn.amounts], dim=1)

    torch.manual_seed(3)
    first, second = draw(), draw()
    torch.manual_seed(3)
    assert torch.equal(draw(), first)
    assert not torch.equal(first, second)
    assert torch.equal(draw(3), first)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"sise": 224}, r"a view has no 'sise'; its keys are size, scale"),
        ({"scale": (1.0, 0.2)}, r"scale=\(1\.0, 0\.2\) must be two numbers with 0 < low <= high"),
        ({"scale": (0.2, 1.5)}, "must not exceed 1"),
        ({"scale": 0.2}, r"scale=0\.2 must be two numbers"),
        ({"size": 0}, "size=0 must be at least 1 pixel"),
        ({"size": (224, 224)}, r"size=\(224, 224\) must be one whole number of pixels"),
        ({"jitter": (0.4, 0.4, 0.4)}, "must be brightness, contrast, saturation and hue"),
        ({"jitter": (0.4, 0.4, 0.4, 0.7)}, "hue at most 0.5"),
        ({"blur_prob": 1.2}, r"blur_prob=1\.2 must lie between 0 and 1"),
        ({"blur_sigma": (0.0, 2.0)}, "blur_sigma"),
    ],
)
def test_a_view_that_cannot_be_is_refused_in_one_line(view, message):
    with pytest.raises(HCSCError, match=message):
        ViewRecipe.from_config(view)


def test_the_default_recipe_is_moco_v2_s():
    recipe = ViewRecipe()
    assert (recipe.size, recipe.scale, recipe.ratio) == (224, (0.2, 1.0), (3 / 4, 4 / 3))
    assert (recipe.jitter, recipe.jitter_prob, recipe.grey_prob) == ((0.4, 0.4, 0.4, 0.1), 0.8, 0.2)
    assert (recipe.blur_sigma, recipe.blur_prob, recipe.flip_prob, recipe.solarize_prob) == (
        (0.1, 2.0),
        0.5,
        0.5,
        0.0,
    )
