"""A data set and what a kernel density of it draws: what is listed, near what, equal everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from rows import encoded
from stores import write_folder
from tiny import ROOT, largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.compare.cells import Cell
from hcsc_mm.compare.grid import read_grid
from hcsc_mm.datasets.inflated_images import InflatedImages, draw
from hcsc_mm.registry import DATASETS
from hcsc_mm.runtime.launch import load_config

DIGITS = dict(type="hcsc_mm.Digits", split="train")


def stored(dataset) -> np.ndarray:
    return np.stack([dataset.get_data_info(row)["img"] for row in range(len(dataset))])


def test_every_real_image_is_there_once_before_the_drawn_ones():
    real = stored(DATASETS.build(DIGITS))
    images = stored(InflatedImages(DIGITS, real_share=0.75))
    assert images.shape == (1437 + 479, 8, 8, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:1437], real)
    drawn = images[1437:]
    np.testing.assert_array_equal(drawn[..., 0], drawn[..., 2])  # grey as the scans are
    assert not (drawn.reshape(479, 1, -1) == real.reshape(1, 1437, -1)).all(2).any()
    np.testing.assert_array_equal(images, stored(InflatedImages(DIGITS, real_share=0.75)))
    assert (images[1437:] != stored(InflatedImages(DIGITS, real_share=0.75, seed=1))[1437:]).any()


def test_draws_have_the_mean_of_the_images_and_the_spread_of_images_and_kernel():
    generator = np.random.default_rng(0)
    centres = np.array([60, 190])[generator.integers(0, 2, 400)]
    images = (centres[:, None, None, None] + generator.normal(0, 4, (400, 2, 2, 3))).astype(
        np.uint8
    )
    drawn = draw(images, 4000, variance=0.999, bandwidth=0.2, seed=0).astype(float)
    assert abs(drawn.mean() - images.mean()) < 2
    # independent of the images that they are around: the variances add
    expected = images.astype(float).reshape(400, -1).mean(1).var() * (1 + 0.2**2)
    assert drawn.reshape(4000, -1).mean(1).var() == pytest.approx(expected, rel=0.05)
    narrow = draw(images, 1000, variance=1 - 1e-12, bandwidth=1e-6, seed=0).astype(float)
    nearest = np.abs(narrow[:, None] - images[None].astype(float)).max((2, 3, 4)).min(1)
    assert nearest.max() <= 1  # a kernel without width draws the images


def test_files_are_read_as_the_pipeline_says_and_views_are_its_own(tmp_path):
    init_default_scope("mmpretrain")
    scans = stored(DATASETS.build(DIGITS))[:30]
    folder = write_folder(tmp_path / "scans", encoded(scans))
    pipeline = [dict(type="hcsc_mm.LoadImage"), dict(type="Resize", scale=16)]
    places = dict(type="hcsc_mm.ImageFolder", data_root=str(folder), pipeline=pipeline)
    inflated = InflatedImages(places)
    np.testing.assert_array_equal(stored(inflated)[:30], scans)
    assert len(inflated) == 60 and inflated[45]["img"].shape == (16, 16, 3)


def test_images_of_several_sizes_are_refused(tmp_path):
    images = [np.zeros((8, 8 + place % 2, 3), np.uint8) for place in range(4)]
    folder = write_folder(tmp_path / "sizes", encoded(images))
    load = [dict(type="hcsc_mm.LoadImage")]
    with pytest.raises(HCSCError, match=r"one size.*MixedImages"):
        InflatedImages(dict(type="hcsc_mm.ImageFolder", data_root=str(folder), pipeline=load))


def test_files_that_nothing_reads_are_refused(tmp_path):
    folder = write_folder(tmp_path / "blank", encoded([np.zeros((8, 8, 3), np.uint8)] * 3))
    with pytest.raises(HCSCError, match="LoadImage"):
        InflatedImages(dict(type="hcsc_mm.ImageFolder", data_root=str(folder)))


@pytest.mark.parametrize(
    "wrong", [dict(real_share=1), dict(real_share=0), dict(variance=1.0), dict(bandwidth=0)]
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(HCSCError, match=next(iter(wrong))):
        InflatedImages(DIGITS, **wrong)


def test_a_run_on_inflated_digits_resumes_with_equal_numbers(tmp_path):
    def config():
        cfg = tiny_config(tmp_path)
        dataset = cfg.train_dataloader.dataset
        cfg.train_dataloader.dataset = dict(type="hcsc_mm.InflatedImages", images=dataset)
        return cfg

    whole, record = train(config())
    assert len(whole.model.hierarchy.assignment) == 200  # 100 scans, and as many drawn
    cfg = config()
    cfg.resume, cfg.load_from = True, str(tmp_path / "epoch_2.pth")
    resumed, rest = train(cfg)
    assert rest.losses == record.losses[-len(rest.losses) :]
    assert largest_difference(resumed.model.state_dict(), whole.model.state_dict()) == 0


def test_the_comparison_s_row_sees_as_many_images_with_weaker_views(tmp_path: Path):
    digits = load_config(str(ROOT / "configs" / "adainf_r18_digits.py"))
    plain = load_config(str(ROOT / "configs" / "mocov2_r18_digits.py"))
    assert digits.train_cfg.max_epochs * 2 == plain.train_cfg.max_epochs
    (_, _, affine, _, jitter) = digits.train_dataloader.dataset.pipeline[0].transforms[0]
    assert (affine.degrees, jitter.prob) == (pytest.approx(0.9 * 15), 0.8 * (1 - 0.75 / 2))

    grid = read_grid(str(ROOT / "configs" / "compare" / "neighbours.py"))
    cell = Cell("omniglot", "adainf", 0, grid.data["omniglot"], grid.methods["adainf"])
    cfg = cell.build_config(tmp_path)
    view, other = cfg.model.data_preprocessor.views
    assert view == other and view.scale == (pytest.approx(1 - 0.6 * 0.9), 1.0)
    assert view.jitter_prob == 0 and cfg.train_cfg.max_epochs == 2
    assert cfg.train_dataloader.dataset.images.type == "hcsc_mm.LabelledImages"
