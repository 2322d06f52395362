"""What a cell's features of two views are measured by, against its features of whole images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_grids import IMAGES
from tiny import tiny_config

from hcsc_mm.compare.two_views import similarity_scores
from hcsc_mm.evaluation import extract_feature_set
from hcsc_mm.evaluation.feature_set import build_feature_loader
from hcsc_mm.evaluation.similarities import tolerance, uniformity
from hcsc_mm.runtime.launch import build_runner


@pytest.fixture
def untrained(tmp_path):
    """A config whose two views are the whole image; its runner, and the features of its images."""
    cfg = tiny_config(tmp_path)
    whole = cfg.default_hooks.clustering.pipeline
    cfg.train_dataloader.dataset.pipeline[0].transforms = [whole[:1]]
    cfg.randomness = dict(seed=0)
    runner = build_runner(cfg)
    runner.model.init_weights()
    runner.model.eval()
    dataset = dict(IMAGES, split="train", pipeline=whole)
    train = extract_feature_set(runner.model, build_feature_loader(runner, dict(dataset=dataset)))
    return runner, cfg, train


def test_equal_views_are_aligned_and_all_else_is_as_of_whole_images(untrained):
    runner, cfg, train = untrained
    found = similarity_scores(runner, cfg, runner.model, train, seed=3)
    assert found["similarity/alignment"] == pytest.approx(0, abs=1e-6)
    assert found["similarity/positive_mean"] == pytest.approx(1, abs=1e-5)
    cfg.train_dataloader.drop_last = False  # all 100 images, and not 6 batches of 16
    found = similarity_scores(runner, cfg, runner.model, train, seed=3)
    unit = F.normalize(train.features, dim=1)
    assert found["similarity/uniformity"] == pytest.approx(uniformity(unit).item(), abs=1e-5)
    expected = tolerance(unit, train.labels).item()
    assert found["similarity/tolerance"] == pytest.approx(expected, abs=1e-5)


def test_images_beyond_the_labelled_ones_are_not_measured(untrained):
    runner, cfg, train = untrained
    cfg.train_dataloader.drop_last = False
    expected = similarity_scores(runner, cfg, runner.model, train, seed=3)
    cfg.train_dataloader.dataset = dict(
        type="hcsc_mm.InflatedImages", images=cfg.train_dataloader.dataset
    )
    found = similarity_scores(runner, cfg, runner.model, train, seed=3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_nothing_that_is_drawn_later_changes_and_a_seed_gives_the_same_numbers(untrained):
    runner, cfg, train = untrained
    state = torch.get_rng_state()
    first = similarity_scores(runner, cfg, runner.model, train, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert similarity_scores(runner, cfg, runner.model, train, seed=3) == first
    assert similarity_scores(runner, cfg, runner.model, train, seed=4) != first
