"""Images of one, four or thirteen channels: training, or one line before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmpretrain.models import SelfSupDataPreprocessor
from PIL import Image
from tiny import folder_config, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.models import AnyChannelsPreprocessor


def folder(root, channels, number=32):
    """Noise with a mean of its own in each channel."""
    root.mkdir()
    random = np.random.default_rng(0)
    for index in range(number):
        pixels = random.integers(0, 200, (24, 24, channels)) + np.arange(channels)
        pixels = pixels.astype(np.uint8)
        if channels > 4:
            tifffile = pytest.importorskip("tifffile")
            tifffile.imwrite(
                root / f"{index}.tif", pixels, photometric="minisblack", planarconfig="contig"
            )
        else:
            Image.fromarray(pixels.squeeze()).save(root / f"{index}.png")
    return root


def config(tmp_path, channels, number=32, **load):
    cfg = folder_config(tmp_path, folder(tmp_path / "images", channels, number))
    color_type = "grayscale" if channels == 1 else "unchanged"
    for pipeline in (cfg.train_dataloader.dataset.pipeline, cfg.default_hooks.clustering.pipeline):
        pipeline[0] = dict(type="hcsc_mm.LoadImage", color_type=color_type, **load)
    cfg.model.data_preprocessor.update(mean=[100.0] * channels, std=[50.0] * channels)
    cfg.model.backbone.in_channels = channels
    return cfg


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_any_number_of_channels_trains(tmp_path, channels):
    runner, record = train(config(tmp_path, channels))
    assert runner.model.backbone.conv1.in_channels == channels
    assert np.isfinite(record.losses).all()
    assert record.hierarchies[1] is not None


def at(cfg, transform):
    """The training pipeline with another first step of its views."""
    cfg.train_dataloader.dataset.pipeline[1].transforms[0].insert(0, transform)
    return cfg


def in_colour(cfg):
    for pipeline in (cfg.train_dataloader.dataset.pipeline, cfg.default_hooks.clustering.pipeline):
        pipeline[0].update(color_type="color")
    return cfg


JITTER = dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
GREY = dict(type="RandomGrayscale", prob=0.1, keep_channels=True, channel_weights=(0.1, 0.6, 0.3))


@pytest.mark.parametrize(
    ("channels", "change", "message"),
    [
        (4, lambda c: at(c, dict(JITTER, backend="cv2")), "ColorJitter cannot take images of 4"),
        (
            4,
            lambda c: at(c, dict(type="RandomApply", prob=0.01, transforms=[JITTER])),
            "ColorJitter cannot take images of 4 channels .*leave it out",
        ),
        (4, lambda c: at(c, GREY), "RandomGrayscale cannot take images of 4 channels"),
        (
            4,
            lambda c: at(c, dict(type="RandomResizedCrop", scale=16, backend="pillow")),
            "RandomResizedCrop cannot take images of 4 channels .*takes the last for transparency",
        ),
        (
            13,
            lambda c: at(c, dict(type="RandomResizedCrop", scale=16, backend="pillow")),
            "RandomResizedCrop cannot take images of 13 channels .*try backend='cv2'",
        ),
        (1, lambda c: at(c, JITTER), "ColorJitter cannot take images of 1 channel "),
        (
            4,
            lambda c: c.default_hooks.clustering.pipeline.insert(1, GREY) or c,
            "RandomGrayscale cannot take images of 4 channels",
        ),
        (
            4,
            lambda c: c.model.backbone.update(in_channels=3) or c,
            r"images have 4 channels, and the backbone takes 3; set model\.backbone\.in_channels=4",
        ),
        (
            4,
            lambda c: c.model.data_preprocessor.update(mean=[0.0] * 3, std=[1.0] * 3) or c,
            r"images have 4 channels, and model\.data_preprocessor a mean of 3",
        ),
        (
            4,
            lambda c: c.model.data_preprocessor.update(std=[1.0] * 3) or c,
            r"std=\[1\.0, 1\.0, 1\.0\] of model\.data_preprocessor must have an entry for each",
        ),
        (
            13,
            in_colour,
            "it has 13 channels, which are no colour; set color_type='unchanged'",
        ),
    ],
)
def test_what_cannot_take_the_channels_is_named_before_the_first_step(
    tmp_path, channels, change, message
):
    with pytest.raises(HCSCError, match=message) as error:
        train(change(config(tmp_path, channels, number=16)))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_images_of_different_channels_are_refused(tmp_path):
    cfg = config(tmp_path, 4)
    Image.new("RGB", (24, 24)).save(tmp_path / "images" / "5.png")
    with pytest.raises(HCSCError, match=r"differ in their channels \(.*color_type='color'"):
        train(cfg)


def test_transforms_are_tried_without_an_effect_on_the_run(tmp_path):
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    from mmpretrain.registry import DATASETS

    cfg = config(tmp_path, 4)
    DATASETS.build(cfg.train_dataloader.dataset)
    assert (torch.rand(1), np.random.rand()) == before


@pytest.mark.parametrize("to_rgb", [False, True])
def test_three_channels_are_normalised_as_by_mmpretrain(to_rgb):
    options = dict(mean=[1.0, 2.0, 3.0], std=[2.0, 3.0, 4.0], to_rgb=to_rgb)
    batch = {
        "inputs": [torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8) for _ in range(2)],
        "data_samples": None,
    }
    ours, theirs = (
        kind(**options)(dict(batch))["inputs"]
        for kind in (AnyChannelsPreprocessor, SelfSupDataPreprocessor)
    )
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_four_channels_keep_their_order():
    images = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    preprocessor = AnyChannelsPreprocessor([0.0, 1.0, 2.0, 3.0], [1.0] * 4, to_rgb=True)
    assert not preprocessor({"inputs": images, "data_samples": None})["inputs"].any()
    with pytest.raises(HCSCError, match="the images have 3 channels, and"):
        preprocessor({"inputs": images[:, :3], "data_samples": None})


def test_images_in_memory_are_looked_at_too(tmp_path):
    cfg = tiny_config(tmp_path, model__backbone__in_channels=4)
    with pytest.raises(HCSCError, match="the images have 3 channels, and the backbone takes 4"):
        train(cfg)
