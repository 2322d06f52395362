"""A run ends with a tree that fits its weights, and its numbers do not change with it."""

import dataclasses

import pytest
import torch
from cases import random_hierarchy
from mmengine.dataset import default_collate
from tiny import largest_difference, tiny_config, train
from torch.utils.data import DataLoader

from hcsc_mm.datasets import ExtractionView
from hcsc_mm.evaluation import extract_features
from hcsc_mm.structures.checkpoint_entry import saved_tree
from hcsc_mm.utils.safe_load import load_data


def load(path):
    return load_data(path, map_location="cpu")


def fresh_features(runner):
    """(N, D) of the training images, by the key encoder as the run left it."""
    view = ExtractionView(
        runner.train_dataloader.dataset, runner.cfg.default_hooks.clustering.pipeline
    )
    model = runner.model.eval()
    loader = DataLoader(view, batch_size=50, collate_fn=default_collate)
    encode = lambda images: model.encode_key(model.preprocess(images))  # noqa: E731
    return extract_features(encode, loader, len(view))


@pytest.mark.parametrize("features", ["extract", "bank"])
def test_images_embedded_anew_are_assigned_where_the_final_tree_has_them(tmp_path, features):
    runner, _ = train(tiny_config(tmp_path, default_hooks__clustering__features=features))
    found = saved_tree(load(tmp_path / "epoch_3.pth"))
    assert found.fits
    assigned = found.hierarchy.assign(fresh_features(runner))
    for ours, placed in zip(assigned, found.hierarchy.path(torch.arange(100)), strict=True):
        assert float((ours == placed).float().mean()) > 0.9  # rounding of centroids to the sphere
    before = runner.model.hierarchy
    assert not torch.equal(before.prototypes[0], found.hierarchy.prototypes[0])


def test_the_numbers_of_training_are_those_without_it(tmp_path):
    with_it, record = train(tiny_config(tmp_path / "with"))
    without, other = train(
        tiny_config(tmp_path / "without", default_hooks__clustering__final=False)
    )
    assert record.losses == other.losses
    assert largest_difference(with_it.model.state_dict(), without.model.state_dict()) == 0
    assert load(tmp_path / "without" / "epoch_3.pth")["hierarchical_clustering"]["final"] is None


def test_a_longer_run_goes_on_from_it_as_if_it_had_never_ended(tmp_path):
    whole, _ = train(tiny_config(tmp_path / "whole", param_scheduler=[]))
    train(tiny_config(tmp_path / "parts", param_scheduler=[], train_cfg__max_epochs=2))
    cfg = tiny_config(tmp_path / "parts", param_scheduler=[])
    cfg.resume = True
    parts, _ = train(cfg)
    assert largest_difference(whole.model.state_dict(), parts.model.state_dict()) < 1e-6


def test_a_tree_of_an_epoch_before_says_that_it_does_not_fit(tmp_path, caplog):
    train(tiny_config(tmp_path))
    with caplog.at_level("WARNING"):
        assert saved_tree(load(tmp_path / "epoch_2.pth"), "epoch_2.pth").fits is False
    checkpoint = load(tmp_path / "epoch_3.pth")
    checkpoint["state_dict"]["momentum_encoder.encoder.0.conv1.weight"].add_(1e-3)
    assert saved_tree(checkpoint).fits is False


def test_a_run_that_never_clusters_ends_without_a_tree(tmp_path):
    train(tiny_config(tmp_path, default_hooks__clustering__warmup_epochs=5))
    assert saved_tree(load(tmp_path / "epoch_3.pth")) is None


@pytest.mark.parametrize("checkpoint", [{}, None, {"state_dict": {}}])
def test_what_holds_no_clusters_has_no_tree(checkpoint):
    assert saved_tree(checkpoint) is None


def test_clusters_that_are_no_tree_are_none(tmp_path):
    state = {"levels": [dataclasses.asdict(random_hierarchy())]}
    entry = {"hierarchical_clustering": {"hierarchy": state, "num_samples": 40}}
    assert saved_tree(entry) is None
