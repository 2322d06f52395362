"""A real Runner on real digits, for a few steps."""

import pytest
import torch
from tiny import tiny_config, train


def test_hierarchy_appears_when_warm_up_ends_and_is_renewed_every_epoch(tmp_path):
    _, record = train(tiny_config(tmp_path))
    assert record.hierarchies[0] is None
    assert record.hierarchies[1].num_prototypes == (12, 6, 3)
    assert record.hierarchies[1].num_samples == 100
    assert record.hierarchies[2] is not record.hierarchies[1]
    assert not torch.equal(record.hierarchies[2].prototypes[0], record.hierarchies[1].prototypes[0])
    steps_per_epoch = 100 // 16
    assert record.loss_names[0] == {"loss", "loss_instance"}
    assert record.loss_names[steps_per_epoch] == {"loss", "loss_instance", "loss_prototype"}


def test_interval_keeps_the_hierarchy_for_several_epochs(tmp_path):
    _, record = train(tiny_config(tmp_path, default_hooks__clustering__interval=2))
    assert torch.equal(record.hierarchies[2].prototypes[0], record.hierarchies[1].prototypes[0])


def test_training_with_local_crops_has_losses_of_their_own(tmp_path):
    cfg = tiny_config(
        tmp_path,
        model__selection=dict(type="hcsc_mm.ClusterSelection", local_instances=True),
        train_cfg__max_epochs=2,
    )
    view = cfg.train_dataloader.dataset.pipeline[0].transforms[0]
    local = [dict(type="RandomResizedCrop", scale=12, crop_ratio_range=(0.2, 0.8))]
    cfg.train_dataloader.dataset.pipeline[0] = dict(
        type="MultiView", num_views=[2, 2], transforms=[view, local]
    )
    _, record = train(cfg)
    assert record.loss_names[-1] == {
        "loss",
        "loss_instance",
        "loss_prototype",
        "loss_local_instance",
        "loss_local_prototype",
    }
    assert record.loss_names[0] == {"loss", "loss_instance", "loss_local_instance"}


def test_one_level_trains(tmp_path):
    _, record = train(
        tiny_config(
            tmp_path, default_hooks__clustering__num_prototypes=(5,), train_cfg__max_epochs=2
        )
    )
    assert record.hierarchies[1].num_levels == 1


def test_warm_started_clustering_trains(tmp_path):
    _, record = train(tiny_config(tmp_path, default_hooks__clustering__warm_start=True))
    assert record.hierarchies[2].num_prototypes == (12, 6, 3)


def test_clustering_reports_one_line_and_the_same_numbers_to_the_visualizer(tmp_path):
    cfg = tiny_config(tmp_path)
    cfg.log_level = "INFO"
    train(cfg)
    log = next(tmp_path.glob("*/*.log")).read_text()
    lines = [line for line in log.splitlines() if "Clustering before epoch" in line]
    assert len(lines) == 2
    for part in (
        "extraction",
        "k-means",
        "of an epoch",
        "level 0: 12 prototypes",
        "empty",
        "moved",
        "keep",
    ):
        assert part in lines[1], part
    scalars = next(tmp_path.glob("*/vis_data/scalars.json")).read_text()
    for name in (
        "extraction_seconds",
        "clustering_seconds",
        "share_of_epoch",
        "level2/median",
        "level1/moved",
        "level0/keep_probability",
    ):
        assert f"hcsc/{name}" in scalars, name


def test_clustering_numbers_reach_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(tiny_config(tmp_path, visualizer__vis_backends__0__type="TensorboardVisBackend"))
    events = accumulator.EventAccumulator(str(next(tmp_path.glob("*/vis_data")))).Reload()
    tags = events.Tags()["scalars"]
    for name in (
        "hcsc/clustering_seconds",
        "hcsc/level0/empty",
        "hcsc/level2/largest",
        "hcsc/level1/moved",
    ):
        assert name in tags
    # before the second and the third epoch, and of the final weights
    assert [event.value for event in events.Scalars("hcsc/level0/prototypes")] == [12, 12, 12]
