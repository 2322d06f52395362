"""Whole images in, views out, on any device; crops for the clustering are only normalised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.models import SelfSupDataPreprocessor
from mmpretrain.registry import TRANSFORMS
from photographs import BOTH, as_tensor, photographs
from tiny import ROOT
from torch.utils._python_dispatch import TorchDispatchMode

from hcsc_mm import HCSCError
from hcsc_mm.datasets import pad_collate
from hcsc_mm.models import DeviceAugmentation, ViewRecipe
from hcsc_mm.models.data_preprocessors import draw_parameters
from hcsc_mm.registry import MODELS

NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
VIEWS = [dict(size=32), dict(size=32), dict(size=24, scale=(0.1, 0.5), solarize_prob=0.2)]
STILL = dict(scale=(1.0, 1.0), jitter_prob=0, grey_prob=0, blur_prob=0, flip_prob=0)


def batch(number: int = 4) -> dict:
    """Photographs of different sizes, BGR, as a loader delivers them."""
    images = [
        as_tensor(image.resize((image.width // 4, image.height // 4)))[0].flip(0)
        for image in photographs("made", number=4)
    ]
    return pad_collate([{"inputs": images[row % 4], "data_samples": row} for row in range(number)])


def augmentation(views=VIEWS, **kwargs) -> DeviceAugmentation:
    return MODELS.build(dict(type="hcsc_mm.DeviceAugmentation", views=views, **{**NORM, **kwargs}))


def test_each_view_has_its_size_and_data_samples_go_through():
    data = augmentation()(batch(), training=True)
    assert [tuple(view.shape) for view in data["inputs"]] == [
        (4, 3, 32, 32),
        (4, 3, 32, 32),
        (4, 3, 24, 24),
    ]
    assert all(view.dtype == torch.float32 and view.is_contiguous() for view in data["inputs"])
    assert data["data_samples"] == [0, 1, 2, 3]


def test_one_seed_gives_one_set_of_views_and_another_gives_others():
    preprocess, inputs = augmentation(), batch()

    def views(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([view.flatten() for view in preprocess(inputs)["inputs"]])

    assert torch.equal(views(0), views(0))
    assert not torch.equal(views(0), views(1))


def test_views_of_an_image_and_images_of_a_view_have_parameters_of_their_own():
    same = as_tensor(photographs("made", number=1))[0]
    inputs = pad_collate([{"inputs": same, "data_samples": None}] * 8)
    query, key = augmentation(VIEWS[:2])(inputs)["inputs"]
    everything = torch.cat([query, key])
    assert all(
        not torch.equal(everything[one], everything[other])
        for one in range(16)
        for other in range(one)
    )


def test_an_image_that_is_left_as_it_is_comes_out_in_rgb_and_normalised():
    rgb = as_tensor(photographs("made", number=2, size=(32, 32)))
    inputs = pad_collate([{"inputs": image.flip(0), "data_samples": None} for image in rgb])
    (view,) = augmentation([ViewRecipe(size=32, ratio=(1.0, 1.0), **STILL)])(inputs)["inputs"]
    mean, std = (torch.tensor(NORM[key]).view(3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(view, (rgb.float() - mean) / std, atol=1e-5, rtol=0)


def test_without_mean_and_std_views_are_in_levels_of_255():
    rgb = as_tensor(photographs("made", number=2, size=(32, 32)))
    inputs = pad_collate([{"inputs": image, "data_samples": None} for image in rgb])
    (view,) = DeviceAugmentation([ViewRecipe(size=32, ratio=(1.0, 1.0), **STILL)])(inputs)["inputs"]
    torch.testing.assert_close(view, rgb.float(), atol=1e-4, rtol=0)


def test_crops_for_extraction_are_normalised_as_the_plain_preprocessor_does_it():
    crops = as_tensor(photographs("made", size=(32, 32)))
    state = torch.get_rng_state()
    ours = augmentation()({"inputs": crops, "data_samples": None})
    plain = SelfSupDataPreprocessor(**NORM)({"inputs": crops, "data_samples": None})
    assert torch.equal(ours["inputs"], plain["inputs"])
    assert torch.equal(torch.get_rng_state(), state), "nothing random"


@pytest.mark.parametrize("to_rgb", [True, False])
def test_the_way_for_a_gpu_and_the_way_for_a_cpu_give_the_same_views(to_rgb):
    preprocess, inputs = augmentation(to_rgb=to_rgb), batch(24)["inputs"]
    for recipe in preprocess.views:
        drawn = draw_parameters(recipe, inputs["sizes"])
        one_by_one = preprocess._make_one_by_one(inputs["images"], drawn, recipe)
        at_once = preprocess._make_batch(inputs["images"].float(), drawn, recipe)
        difference = (one_by_one - at_once).abs() * 57  # in levels of 255
        assert (
            float(difference.mean()) < 0.8
        )  # one is rounded after the resize, and the colours enlarge that
        assert float(difference.quantile(0.99)) < 3


def statistics(views: torch.Tensor) -> torch.Tensor:
    """(B, 4): brightness, contrast, sharpness and colour of each view."""
    return torch.stack(
        [
            views.mean((1, 2, 3)),
            views.std((1, 2, 3)),
            views.diff(dim=-1).abs().mean((1, 2, 3)),
            (views[:, 0] - views[:, 2]).abs().mean((1, 2)),
        ],
        dim=1,
    )


@BOTH
def test_views_are_distributed_like_those_of_the_plain_pipeline(kind, tmp_path):
    photographs(kind, number=1)[0].save(tmp_path / "photograph.png")
    np.random.seed(0)
    seen = []
    for name, collate in (
        ("hcsc_r50_200e_in1k", default_collate),
        ("hcsc_r50_devaug_200e_in1k", pad_collate),
    ):
        config = Config.fromfile(ROOT / "configs" / f"{name}.py")
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            pipeline = Compose(
                [TRANSFORMS.build(step) for step in config.train_dataloader.dataset.pipeline]
            )
            preprocess = MODELS.build(config.model.data_preprocessor)
        samples = [
            pipeline({"img_path": str(tmp_path / "photograph.png"), "sample_idx": row})
            for row in range(100)
        ]
        seen.append(statistics(torch.cat(preprocess(collate(samples))["inputs"])))
    plain, device = seen
    error = ((plain.var(dim=0) + device.var(dim=0)) / len(plain)).sqrt()
    # 0.03 of a standard deviation of ImageNet's, 1.7 levels: what the plain pipeline loses by
    # cutting off after each operation
    assert bool(((plain.mean(dim=0) - device.mean(dim=0)).abs() < 4 * error + 0.03).all())


class Recorder(TorchDispatchMode):
    """Every operation that runs, and the copies between devices among them."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.copies = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.device.type == "meta":
            self.operations.append(str(function))
            self.copies += any(
                isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.ndim > 0
                for value in args
            )
        return result


def test_on_an_accelerator_kernels_and_copies_do_not_grow_with_the_batch_and_nothing_waits():
    preprocess = augmentation().to("meta")  # a device on which asking for a value is an error

    def record(number: int) -> Recorder:
        torch.manual_seed(0)
        with Recorder() as recorder:
            views = preprocess(batch(number))["inputs"]
        assert [tuple(view.shape) for view in views] == [
            (number, 3, 32, 32),
            (number, 3, 32, 32),
            (number, 3, 24, 24),
        ]
        assert all(view.device.type == "meta" and view.dtype == torch.float32 for view in views)
        return recorder

    # With so many images every operation has some in every round: the most kernels there can be.
    few, many = record(100), record(300)
    assert few.operations == many.operations
    assert (
        few.copies == many.copies == 1 + 3 * len(VIEWS)
    )  # the images; of each view boxes, groups and amounts


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)],
            r"got a list of inputs, not whole images; .*pad_collate.*WholeImage",
        ),
        (
            {"images": torch.zeros(2, 3, 8, 8), "sizes": [(8, 8)] * 2},
            r"takes uint8 images \(B, 3, H, W\), not torch\.float32",
        ),
        (
            {"images": torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "sizes": [(8, 8)] * 2},
            r"not torch\.uint8 \(2, 1, 8, 8\)",
        ),
        ({"images": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, "got a dict of inputs"),
    ],
)
def test_inputs_that_are_no_whole_images_are_refused_in_one_line(inputs, message):
    with pytest.raises(HCSCError, match=message):
        augmentation()({"inputs": inputs, "data_samples": None})


def test_an_augmentation_without_views_or_with_an_unknown_key_is_refused():
    with pytest.raises(HCSCError, match=r"has no views; give views="):
        augmentation([])
    with pytest.raises(HCSCError, match=r"a view has no 'crop_size'; its keys are size"):
        DeviceAugmentation([dict(crop_size=224)])
