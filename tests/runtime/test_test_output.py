"""``tools/test.py --out --out-item`` write what mmpretrain's do, and are asked before the test."""

from __future__ import annotations

import json

import mmengine
import pytest
import torch
from labelled import labelled_folder, stage_config
from mmpretrain.registry import MODELS

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import run_test
from hcsc_mm.runtime.test_output import TestOutput


@pytest.mark.parametrize(
    ("out", "item", "expected"),
    [
        (None, None, None),
        ("x.json", None, "metrics"),
        ("x.YAML", None, "metrics"),
        ("x.pkl", None, "pred"),
        ("x.pickle", "pred", "pred"),
        ("x.pkl", "metrics", "metrics"),
        ("new/folder/x.yml", "metrics", "metrics"),
    ],
)
def test_what_is_written_follows_flag_and_ending(out, item, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = TestOutput.of_flags(out, item)
    assert (None if output is None else output.item) == expected


@pytest.mark.parametrize(
    ("out", "item", "message"),
    [
        (None, "pred", "add --out FILE"),
        ("x.json", "pred", r"pred need a file in \.pkl, \.pickle; --out-item metrics may go into"),
        ("x", None, r"--out x: pred need a file in \.pkl"),
        ("x.csv", "metrics", r"metrics need a file in \.json, \.yaml"),
        ("folder.json", None, "is a folder; name a file"),
        ("file/x.json", None, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_test(out, item, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(HCSCError, match=message):
        TestOutput.of_flags(out, item)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A linear probe's config file, and its weights."""
    folder = tmp_path_factory.mktemp("classifier")
    cfg = stage_config("linear_folder", folder, labelled_folder(folder / "images"))
    cfg.model.backbone.pop("init_cfg")
    model = MODELS.build(cfg.model)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "linear.pth")
    cfg.dump(folder / "linear.py")
    return folder


def run(folder, out, item=None):
    def flags(cfg):
        cfg.load_from, cfg.launcher = str(folder / "linear.pth"), "none"
        cfg.work_dir, cfg.log_level = str(folder / "run"), "WARNING"
        return cfg

    run_test(str(folder / "linear.py"), {}, flags, str(out), item)
    return mmengine.load(out)


def test_predictions_are_those_that_mmpretrain_would_write_and_metrics_are_metrics(
    classifier, tmp_path
):
    predictions = run(classifier, tmp_path / "pred.pkl")
    assert len(predictions) == 15
    assert {"pred_score", "pred_label", "gt_label"} <= predictions[0].keys()
    right = [int(one["pred_label"]) == int(one["gt_label"]) for one in predictions]
    (found,) = json.loads(json.dumps(run(classifier, tmp_path / "m.yaml"))).values()
    assert found == pytest.approx(100 * sum(right) / 15, abs=1e-4)
    assert run(classifier, tmp_path / "m.pkl", "metrics") == {"accuracy/top1": found}


def test_a_test_of_features_has_no_predictions_to_write():
    runner = type("Runner", (), {"test_loop": object()})()
    with pytest.raises(HCSCError, match="predicts nothing; add --out-item metrics"):
        TestOutput("x.pkl", "pred").collect(runner)
