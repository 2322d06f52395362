"""The clusters on their way into a checkpoint and back, on one process; shards are in
test_sharded_clusters.py.
"""

import pytest
import torch
from cases import random_hierarchy
from tiny import tiny_config

from hcsc_mm.engine.saved_clusters import ClustersToSave, SavedClusters, saveable
from hcsc_mm.engine.training_features import TrainingFeatures
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.structures.checkpoint_entry import CHECKPOINT_KEY, saved_tree


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """The tiny run on a hundred digits."""
    return build_runner(tiny_config(tmp_path_factory.mktemp("run")))


def features_of(runner):
    pipeline = runner.cfg.default_hooks.clustering.pipeline
    return TrainingFeatures(runner, runner.model, pipeline, use_bank=True)


@pytest.fixture
def source(runner):
    return features_of(runner)


def assert_same(one, other):
    assert torch.equal(one.assignment, other.assignment)
    for left, right in zip(one.prototypes, other.prototypes, strict=True):
        assert torch.equal(left, right)


def test_what_is_noted_comes_back_as_it_was(runner, source):
    trained_with, final = (random_hierarchy(num_samples=100, seed=seed) for seed in (1, 2))
    to_save = ClustersToSave(source, files_above=10)
    to_save.trains_with(trained_with)
    to_save.epoch, to_save.weights = 4, {"part": "momentum_encoder.", "sha256": "0"}
    to_save.ends_with(final, to_save.weights)
    source.bank.features.fill_(0.25)
    to_save.gather_bank()
    checkpoint = {CHECKPOINT_KEY: to_save.entry(trained_with)}

    assert to_save.of_this_rank() == {}  # one process has no file of its own
    saved = SavedClusters.of(checkpoint, "epoch_4.pth")
    assert (saved.entry["epoch"], saved.entry["weights"]["sha256"]) == (4, "0")
    assert_same(saved_tree(checkpoint).hierarchy, final)
    resumed = features_of(runner)
    assert_same(saved.clusters(runner.model, resumed), trained_with)
    saved.restore_bank(resumed)
    assert (resumed.bank.features == 0.25).all()


def test_within_the_warm_up_there_are_no_clusters_and_the_images_are_known(runner, source):
    to_save = ClustersToSave(source, files_above=10)
    saved = SavedClusters.of({CHECKPOINT_KEY: to_save.entry(None)}, "epoch_1.pth")
    assert saved.clusters(runner.model, source) is None and saved.entry["epoch"] == -1
    source.check_identity(saved.entry)
    saved.restore_bank(source)
    assert source.bank.features.isnan().all()  # the checkpoint has no keys


def test_a_checkpoint_of_a_run_that_clustered_nothing_has_none():
    assert SavedClusters.of({"state_dict": {}}, "epoch_1.pth") is None


def test_clusters_that_know_all_images_are_saved_as_they_are():
    hierarchy = random_hierarchy()
    assert saveable(hierarchy, in_files=True) == (hierarchy, None)
