"""Detectors and segmentation networks learn from a pre-trained backbone and say how well."""

from __future__ import annotations

import pytest
from shared import needs_coco
from transfer_runs import (
    DETECTION,
    SEGMENTATION,
    check_trained,
    needs_mmdet,
    needs_mmseg,
    small_config,
    train,
)

pytestmark = needs_coco


@needs_mmdet
@pytest.mark.parametrize("name", DETECTION)
def test_detector_starts_from_every_weight_trains_and_is_measured_as_on_coco(
    name, checkpoint_of, coco, tmp_path
):
    checkpoint = checkpoint_of(name)
    run = train(small_config(name, coco), checkpoint, tmp_path)
    check_trained(run, checkpoint)
    kinds = ("bbox", "segm") if name.startswith("mask") else ("bbox",)
    for key in [f"coco/{kind}_{score}" for kind in kinds for score in ("mAP", "mAP_50", "mAP_75")]:
        assert 0 <= run.metrics()[key] <= 1
        assert key in run.output  # printed by the library's loop at the end


@needs_mmseg
@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_starts_from_every_weight_trains_and_reports_mean_iou(
    name, checkpoint_of, coco, tmp_path
):
    checkpoint = checkpoint_of(name)
    run = train(small_config(name, coco), checkpoint, tmp_path)
    check_trained(run, checkpoint)
    assert 0 <= run.metrics()["mIoU"] <= 100
    assert "mIoU: " in run.output
