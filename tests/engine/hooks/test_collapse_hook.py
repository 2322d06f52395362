"""Curves of collapse in a real run, and a warning when they fall."""

import json

import numpy as np
import pytest
from mmengine.hooks import Hook
from noise import noise, save_pngs
from tiny import folder_config, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine import CollapseHook
from hcsc_mm.evaluation import effective_rank, relative_std
from hcsc_mm.runtime.launch import build_runner


def curves(work_dir, name):
    """{step: value}"""
    lines = next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()
    return {entry["step"]: entry[name] for entry in map(json.loads, lines) if name in entry}


def warnings(work_dir):
    return [
        line
        for line in next(work_dir.glob("*/*.log")).read_text().splitlines()
        if "Collapse" in line
    ]


def config(work_dir, lr=None, **options):
    cfg = tiny_config(work_dir, **options)
    cfg.default_hooks.checkpoint.interval = 100
    if lr is not None:
        cfg.optim_wrapper.optimizer.lr = lr
    return cfg


def test_curves_hold_the_measures_of_the_queue_at_the_interval_and_at_the_end_of_each_epoch(
    tmp_path,
):
    class Measure(Hook):
        priority = "LOW"
        seen: dict[int, tuple[float, float]] = {}  # noqa: RUF012

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            keys = runner.model.queue.keys
            self.seen[runner.iter + 1] = (float(relative_std(keys)), float(effective_rank(keys)))

    runner, measure = build_runner(config(tmp_path, default_hooks__collapse__interval=4)), Measure()
    runner.register_hook(measure)
    runner.train()
    std, rank = curves(tmp_path, "hcsc/embedding_std"), curves(tmp_path, "hcsc/effective_rank")
    assert list(std) == list(rank) == [4, 6, 8, 12, 16, 18]  # 6 steps an epoch
    for step in std:
        assert (std[step], rank[step]) == pytest.approx(measure.seen[step])


def test_random_directions_of_a_new_queue_are_not_measured(tmp_path):
    train(config(tmp_path, default_hooks__collapse__interval=1, train_cfg__max_epochs=1))
    assert (
        next(iter(curves(tmp_path, "hcsc/embedding_std"))) == 3
    )  # 3 × 16 keys are the first to fill 40 places


def test_balance_of_the_clusters_is_logged_for_each_level_of_each_hierarchy(tmp_path):
    _, record = train(config(tmp_path))
    for level in range(3):
        entropy = curves(tmp_path, f"hcsc/level{level}/size_entropy")
        assert list(entropy) == [6, 12]  # before the second and the third epoch
        assert 0.5 < min(entropy.values()) <= max(entropy.values()) <= 1
        sizes = np.bincount(record.hierarchies[1].path(range(100))[level])
        assert curves(tmp_path, f"hcsc/level{level}/largest_share")[6] == pytest.approx(
            sizes.max() / 100
        )


def test_healthy_run_is_not_warned(tmp_path):
    train(config(tmp_path))
    assert warnings(tmp_path) == []


def test_run_that_collapses_is_warned_once_for_each_measure(tmp_path):
    train(
        config(
            tmp_path, lr=2.0, train_cfg__max_epochs=8, default_hooks__clustering__warmup_epochs=99
        )
    )
    first, second = warnings(tmp_path)
    assert "the embeddings are close to all equal" in first
    assert "below min_embedding_std=0.1" in first
    assert "the embeddings have lost dimensions" in second
    assert "below min_effective_rank=0.05" in second
    assert "Collapse in epoch 2, iteration 12" in first  # the first end of an epoch after the grace


def test_warnings_begin_after_the_grace(tmp_path):
    train(
        config(
            tmp_path,
            default_hooks__collapse__min_embedding_std=1.0,
            default_hooks__collapse__grace_epochs=2,
        )
    )
    assert "Collapse in epoch 3, iteration 18" in warnings(tmp_path)[0]


def test_threshold_of_zero_never_warns(tmp_path):
    options = {
        "default_hooks__collapse__min_embedding_std": 0.0,
        "default_hooks__collapse__min_effective_rank": 0.0,
    }
    train(
        config(
            tmp_path,
            lr=2.0,
            train_cfg__max_epochs=8,
            default_hooks__clustering__warmup_epochs=99,
            **options,
        )
    )
    assert warnings(tmp_path) == []


def test_cluster_that_takes_nearly_all_images_is_noted_and_is_no_collapse(tmp_path):
    pixels = noise(32)
    pixels[:29] = 128  # one image 29 times
    images = save_pngs(pixels, tmp_path / "images")
    cfg = folder_config(tmp_path, images)
    cfg.merge_from_dict({"default_hooks.clustering.num_prototypes": (4, 2)})
    cfg.log_level = "INFO"
    train(cfg)
    log = next((tmp_path / "run").glob("*/*.log")).read_text().splitlines()
    noted, _ = [line for line in log if "the clusters of level" in line]  # one a level
    assert "note: " in noted and "Collapse" not in noted
    assert "of the images" in noted
    assert "a smaller num_prototypes[" in noted


def collapsing(work_dir, **options):
    return config(
        work_dir,
        lr=2.0,
        train_cfg__max_epochs=8,
        default_hooks__clustering__warmup_epochs=99,
        default_hooks__collapse__action="stop",
        **options,
    )


def test_run_that_stays_collapsed_is_stopped_with_what_to_change(tmp_path):
    with pytest.raises(HCSCError, match=r"Collapse in epoch 4, .* 3 times in a row\. .*lr=0\.\d+"):
        train(collapsing(tmp_path))
    assert len(warnings(tmp_path)) == 2  # it was warned before, once for each measure
    assert not (tmp_path / "epoch_8.pth").exists()


def test_each_warning_names_the_changes_with_their_values(tmp_path):
    train(
        config(
            tmp_path, lr=2.0, train_cfg__max_epochs=8, default_hooks__clustering__warmup_epochs=99
        )
    )
    std, rank = warnings(tmp_path)  # the lr is that of the config, whatever the cosine has left
    assert "--cfg-options lr=0.67, or with a warm-up of the learning rate; see docs" in std
    assert "--cfg-options lr=0.67, or with model.momentum=0.0004, or with a warm-up" in rank


def test_a_warm_up_that_is_there_is_to_be_longer(tmp_path):
    cfg = config(
        tmp_path, lr=2.0, train_cfg__max_epochs=8, default_hooks__clustering__warmup_epochs=99
    )
    cfg.lr_warmup = 5
    train(cfg)
    assert "--cfg-options lr=0.67, or with lr_warmup=10; see docs" in warnings(tmp_path)[0]


def test_a_queue_shorter_than_the_embedding_bounds_its_rank(tmp_path):
    cfg = config(tmp_path, train_cfg__max_epochs=2, train_dataloader__batch_size=8)
    cfg.model.queue_len, cfg.model.neck.out_channels, cfg.log_level = 8, 32, "INFO"
    train(cfg)
    assert " of 8; " in next(tmp_path.glob("*/*.log")).read_text()


def test_patience_is_how_often_a_collapse_is_seen_before_the_stop(tmp_path):
    with pytest.raises(HCSCError, match=r"Collapse in epoch 2, .* 1 times in a row"):
        train(collapsing(tmp_path, default_hooks__collapse__patience=1))


def test_healthy_run_is_not_stopped(tmp_path):
    runner, _ = train(config(tmp_path, default_hooks__collapse__action="stop"))
    assert runner.epoch == 3


def test_progress_lines_have_the_measures(tmp_path):
    cfg = config(tmp_path)
    cfg.log_level = "INFO"
    train(cfg)
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "first step done after" in log
    assert "; spread 0." in log
    assert " of 16; " in log
    assert "waiting for images" in log
    assert f"look at it  python tools/build_tree.py {tmp_path}/epoch_3.pth --out tree" in log
    assert "measure it" in log
    assert "  health      healthy: spread 0." in log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval=0"),
        ({"grace_epochs": -1}, "grace_epochs=-1"),
        ({"patience": 0}, "patience=0"),
        ({"action": "halt"}, "action='halt' of CollapseHook is unknown"),
        (
            {"min_embedding_std": 1.5},
            "min_embedding_std=1.5 of CollapseHook must lie between 0 and 1",
        ),
    ],
)
def test_wrong_numbers_are_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        CollapseHook(**options)
