"""kNN accuracy during pre-training, which must not notice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import build_feature_loader

VIEW = [dict(type="Resize", scale=16, interpolation="bicubic"), dict(type="PackInputs")]


def loader(split: str, num_workers: int = 0) -> dict:
    return dict(
        batch_size=64,
        num_workers=num_workers,
        dataset=dict(type="hcsc_mm.Digits", split=split, indices=120, pipeline=VIEW),
    )


def config(folder, monitored: bool, **options):
    cfg = tiny_config(folder, train_cfg__max_epochs=3)
    if monitored:
        hook = dict(
            type="hcsc_mm.KNNMonitorHook",
            train_dataloader=loader("train", 1),
            val_dataloader=loader("test"),
            interval=2,
            k=[1, 5],
        )
        cfg.custom_hooks.append({**hook, **options})
    return cfg


def scalars(runner) -> list[dict]:
    lines = Path(runner.log_dir, "vis_data/scalars.json").read_text().splitlines()
    return [
        line for line in map(json.loads, lines) if any(name.startswith("knn/") for name in line)
    ]


def test_it_measures_every_interval_and_at_the_end_and_pre_training_does_not_notice(tmp_path):
    plain, _ = train(config(tmp_path / "plain", False))
    monitored, _ = train(config(tmp_path / "monitored", True))
    assert largest_difference(plain.model.state_dict(), monitored.model.state_dict()) == 0
    found = scalars(monitored)
    assert [set(line) - {"step"} for line in found] == [
        {"knn/top1_k1", "knn/top1_k5"}
    ] * 2  # after epochs 2 and 3
    assert all(10 < line["knn/top1_k1"] <= 100 for line in found)
    assert monitored.model.backbone.training


def test_it_measures_what_scikit_learn_does(tmp_path):
    from sklearn.neighbors import KNeighborsClassifier

    runner, _ = train(config(tmp_path, True))
    features, labels = {}, {}
    runner.model.eval()
    for split in ("train", "test"):
        batches = list(build_feature_loader(runner, loader(split)))
        with torch.no_grad():
            maps = [
                runner.model.backbone(runner.model.preprocess(batch["inputs"]))[-1]
                for batch in batches
            ]
        features[split] = torch.cat(maps).mean(dim=(2, 3)).double().numpy()
        labels[split] = [
            int(sample.gt_label) for batch in batches for sample in batch["data_samples"]
        ]
    nearest = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(
        features["train"], labels["train"]
    )
    assert scalars(runner)[-1]["knn/top1_k1"] == pytest.approx(
        100 * nearest.score(features["test"], labels["test"]), abs=1e-6
    )


def test_more_neighbours_than_images_are_refused_before_training(tmp_path):
    with pytest.raises(HCSCError, match="k=121 exceeds the 120 images"):
        train(config(tmp_path, True, k=121))
    assert not list(tmp_path.glob("*.pth"))
