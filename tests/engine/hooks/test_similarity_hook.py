"""Curves of similarities in real runs, which they do not change."""

import json

import pytest
from tiny import DIGITS, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine import SimilarityHook

PLAIN = (
    "alignment",
    "uniformity",
    "positive_mean",
    "positive_variance",
    "negative_mean",
    "negative_variance",
    "hard_share_t0.07",
    "hard_share_t0.2",
    "hard_share_t0.5",
)


def curve(work_dir, name):
    """{step: value}"""
    lines = next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()
    name = f"similarity/{name}"
    return {entry["step"]: entry[name] for entry in map(json.loads, lines) if name in entry}


def config(work_dir, **options):
    cfg = tiny_config(work_dir, **options)
    cfg.custom_hooks = [dict(type="hcsc_mm.SimilarityHook", interval=4)]
    return cfg


def test_curves_come_at_the_interval_and_at_epochs_ends_and_change_no_loss(tmp_path):
    _, record = train(config(tmp_path / "with"))
    for name in PLAIN:
        assert list(curve(tmp_path / "with", name)) == [4, 6, 8, 12, 16, 18], name
    for step, value in curve(tmp_path / "with", "alignment").items():
        # ‖x − y‖² = 2 − 2 x·y
        assert value == pytest.approx(
            2 - 2 * curve(tmp_path / "with", "positive_mean")[step], abs=1e-5
        )
    _, plain = train(tiny_config(tmp_path / "without"))
    assert record.losses == plain.losses


def test_tolerance_is_of_labels_and_of_each_level_once_there_are_clusters(tmp_path):
    train(config(tmp_path))
    assert len(curve(tmp_path, "tolerance")) == 6  # among 16 digits two are alike
    coarsest = curve(tmp_path, "level2/tolerance")
    assert list(coarsest) == [8, 12, 16, 18]  # three clusters; the first epoch has none
    assert all(-1 <= value <= 1 for value in coarsest.values())


def test_a_model_without_key_encoder_is_left_alone(tmp_path):
    cfg = tiny_config(tmp_path, train_cfg__max_epochs=1)
    other = cfg.fromfile(DIGITS.parent / "simsiam_r18_digits.py")
    cfg.model = other.model
    cfg.model.backbone.update(stem_channels=4, base_channels=4)
    cfg.model.neck.update(in_channels=32, hid_channels=32, out_channels=16)
    cfg.model.head.predictor.update(in_channels=16, hid_channels=8, out_channels=16)
    cfg.default_hooks.clustering = None
    cfg.custom_hooks = [dict(type="hcsc_mm.SimilarityHook", interval=1)]
    train(cfg)
    assert curve(tmp_path, "alignment") == {}


def test_impossible_options_are_refused():
    with pytest.raises(HCSCError, match=r"hard_share=0 in \(0, 1\]"):
        SimilarityHook(hard_share=0)
