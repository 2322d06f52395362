"""Clusters of images of which some could not be read."""

import pytest
import torch
from cases import unit_rows
from tiny import tiny_config

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.engine.readable_images import cluster_readable
from hcsc_mm.engine.training_features import TrainingFeatures
from hcsc_mm.runtime.launch import build_runner


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Of the tiny run's hundred digits."""
    runner = build_runner(tiny_config(tmp_path_factory.mktemp("run")))
    pipeline = runner.cfg.default_hooks.clustering.pipeline
    return TrainingFeatures(runner, runner.model, pipeline)


@pytest.mark.parametrize("unreadable", [[], [3, 7], [0, 99]])
def test_the_others_are_clustered_alone_and_those_that_cannot_be_read_get_prototype_0(
    source, unreadable
):
    features = unit_rows(100, 16)
    features[unreadable] = float("nan")
    alone = hierarchical_kmeans(features[torch.isfinite(features[:, 0])], (12, 6, 3))
    found, missing = cluster_readable(
        features, source, lambda rows: hierarchical_kmeans(rows, (12, 6, 3))
    )
    assert missing == unreadable
    readable = [i for i in range(100) if i not in unreadable]
    assert found.num_samples == 100 and not found.assignment[unreadable].any()
    assert torch.equal(found.assignment[readable], alone.assignment)
    assert torch.equal(found.prototypes[0], alone.prototypes[0])


def test_features_of_images_that_can_all_be_read_are_not_copied(source):
    features, seen = unit_rows(100, 16), []

    def build(rows):
        seen.append(rows)
        return hierarchical_kmeans(rows, (12, 6, 3))

    cluster_readable(features, source, build)
    assert seen[0] is features
