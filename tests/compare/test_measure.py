"""The numbers of a cell, against the same work done by hand and against other libraries."""

from __future__ import annotations

import copy
import itertools
import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from labelled import tiny_checkpoint
from mmcv import imresize
from mmpretrain.models.necks import SwAVNeck
from sklearn.cluster import AgglomerativeClustering
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler
from small_grids import IMAGES, MOCO, data_entry
from tiny import DIGITS, ROOT, largest_difference
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.compare import Cell, measure_cell
from hcsc_mm.compare.grid import DataEntry, MethodEntry
from hcsc_mm.compare.measure import WithProjection
from hcsc_mm.datasets import Digits
from hcsc_mm.models import TIMMBackbone
from hcsc_mm.runtime.launch import build_runner

START = MethodEntry(config=MOCO, trains=False)
MCL = MOCO.replace("mocov2", "mcl")
SIMSIAM = MOCO.replace("mocov2", "simsiam")


def cell(method, seed=0, **data):
    return Cell("digits", "m", seed, DataEntry(**data_entry(**data)), method)


def tool(name, *arguments):
    """A tool in this process, as its command line calls it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")


def weights(path):
    return torch.load(path, weights_only=False)["state_dict"]


# A method that trains


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """HCSC from seed 1: its folder and its numbers."""
    folder = tmp_path_factory.mktemp("cell")
    return folder, measure_cell(cell(MethodEntry(yardsticks=True), seed=1), folder)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """The same with tools/train.py and tools/run_stages.py: the run and the stages' metrics."""
    folder = tmp_path_factory.mktemp("by_hand")
    options = [f"{key}={value}".replace(" ", "") for key, value in data_entry()["options"].items()]
    options.append("randomness.seed=1")
    tool("train.py", DIGITS, "--work-dir", folder / "run", "--cfg-options", *options)
    changes = [
        "knn.k=5",
        "knn.test_dataloader.dataset.indices=50",
        "knn.test_cfg.train_dataloader.dataset.indices=100",
        "clustering.test_dataloader.dataset.indices=100",
        "clustering.test_evaluator.0.num_clusters=(12,6,3)",
        "clustering.test_evaluator.0.seed=1",
    ]
    checkpoint = ["--checkpoint", folder / "run/epoch_2.pth", "--stages", "knn,clustering"]
    stages = ["--cfg-options", *options, "--stage-options", *changes]
    tool("run_stages.py", DIGITS, "--work-dir", folder / "stages", *checkpoint, *stages)
    results = json.loads((folder / "stages/results.json").read_text())
    return folder / "run", {k: v for entry in results for k, v in entry["metrics"].items()}


def test_a_cell_trains_the_very_weights_that_training_by_hand_does(trained, by_hand):
    one, other = (weights(folder / "epoch_2.pth") for folder in (trained[0], by_hand[0]))
    assert largest_difference(one, other) == 0.0
    assert trained[1]["steps"] == 2 * (100 // 16)
    assert trained[1]["images_seen"] == 2 * (100 // 16) * 16


def test_its_scores_are_those_of_the_stages(trained, by_hand):
    scores, stages = trained[1]["scores"], by_hand[1]
    assert scores["knn"] == pytest.approx(stages["knn/top1_k5"], abs=1e-4)
    own = {name.replace("own", "hierarchy") for name in scores if name.startswith("own/")}
    assert len(own) == 3 * 2 + 2  # AMI and purity of each level; two of the tree
    for name in own:
        assert scores[name.replace("hierarchy", "own")] == pytest.approx(stages[name], abs=1e-9)
    for number in (12, 6, 3):
        for score in ("ami", "purity"):
            flat = scores[f"flat/{number}/{score}"]
            assert flat == pytest.approx(stages[f"clustering/{number}/{score}"], abs=1e-9)


def test_a_stopped_cell_goes_on_from_its_checkpoint_to_the_same_numbers(trained, tmp_path):
    """As after a kill within the second epoch: what it had saved is the first's checkpoint."""
    folder, whole = trained
    (tmp_path / "epoch_1.pth").write_bytes((folder / "epoch_1.pth").read_bytes())
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_1.pth"))
    again = measure_cell(cell(MethodEntry(yardsticks=True), seed=1), tmp_path)
    assert again["scores"] == whole["scores"] and again["spread"] == whole["spread"]
    assert (
        largest_difference(weights(folder / "epoch_2.pth"), weights(tmp_path / "epoch_2.pth"))
        == 0.0
    )


def test_a_tree_is_compared_with_labels_of_its_own_images_only(trained, tmp_path):
    """The checkpoint of the end is there: nothing is trained again."""
    folder, _ = trained
    (tmp_path / "epoch_2.pth").write_bytes((folder / "epoch_2.pth").read_bytes())
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_2.pth"))
    fewer = cell(MethodEntry(), seed=1, train=dict(IMAGES, split="train", indices=90))
    with pytest.raises(HCSCError, match="the pre-training has 100 images, and train names 90"):
        measure_cell(fewer, tmp_path)


# Models after one another


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    """Three stages of MCL in the epochs that another method has: their folder and numbers."""
    folder = tmp_path_factory.mktemp("chain")
    options = {**data_entry()["options"], "train_cfg.max_epochs": 6}
    return folder, measure_cell(cell(MethodEntry(config=MCL, chain=3), options=options), folder)


def test_the_models_of_a_chain_share_the_epochs_and_each_knows_those_before_it(chained):
    folder, found = chained
    assert found["steps"] == 6 * (100 // 16)
    states = [weights(folder / f"model_{link}" / "epoch_2.pth") for link in range(3)]
    assert not (folder / "model_0/epoch_3.pth").exists()
    for one, other in itertools.combinations(states, 2):
        assert largest_difference(one, other) > 0
    assert not [name for name in found["scores"] if name.startswith("own")]
    logs = [next((folder / f"model_{link}").glob("*/*.log")).read_text() for link in range(3)]
    assert "earlier stages leave" not in logs[0]
    assert "1 earlier stages leave" in logs[1] and "2 earlier stages leave" in logs[2]


def test_features_of_a_chain_stand_beside_each_other_as_the_stages_measure_them(chained):
    folder, found = chained
    earlier = [str(folder / f"model_{link}" / "epoch_2.pth") for link in range(2)]
    stages = f"knn.test_cfg.stages=[{','.join(earlier)}]"
    options = [f"{k}={v}".replace(" ", "") for k, v in data_entry()["options"].items()]
    tool(
        "run_stages.py",
        MCL,
        *("--work-dir", folder / "stages", "--checkpoint", folder / "model_2/epoch_2.pth"),
        *("--stages", "knn", "--cfg-options", *options, "--stage-options", stages, "knn.k=5"),
        "knn.test_dataloader.dataset.indices=50",
        "knn.test_cfg.train_dataloader.dataset.indices=100",
    )
    (result,) = json.loads((folder / "stages/results.json").read_text())
    assert found["scores"]["knn"] == pytest.approx(result["metrics"]["knn/top1_k5"], abs=1e-4)


def test_a_chain_goes_on_with_the_model_at_which_it_was_stopped(chained, tmp_path):
    folder, whole = chained
    for link, saved in enumerate(("epoch_2.pth", "epoch_1.pth")):
        place = tmp_path / f"model_{link}"
        place.mkdir()
        (place / saved).write_bytes((folder / f"model_{link}" / saved).read_bytes())
        (place / "last_checkpoint").write_text(str(place / saved))
    options = {**data_entry()["options"], "train_cfg.max_epochs": 6}
    again = measure_cell(cell(MethodEntry(config=MCL, chain=3), options=options), tmp_path)
    assert again["scores"] == whole["scores"]
    assert not (tmp_path / "model_0/epoch_1.pth").exists()  # nothing was trained again
    first = (folder / "model_1/epoch_1.pth").read_bytes()
    assert (tmp_path / "model_1/epoch_1.pth").read_bytes() == first
    for link in (1, 2):
        log = next((tmp_path / f"model_{link}").glob("*/*.log")).read_text()
        assert str(tmp_path / "model_0/epoch_2.pth") in log
        assert str(folder / "model_0") not in log


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (MethodEntry(config=MCL, chain=3), "a chain of 3 cannot share 2 epochs"),
        (MethodEntry(config=MOCO, chain=2), "earlier"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(method, words, tmp_path):
    with pytest.raises(HCSCError, match=words):
        cell(method).build_config(tmp_path)


# The weights at the start, whose features can be had by hand


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The row 'start' with all that can be asked of it; its features and labels, train and test."""
    folder = tmp_path_factory.mktemp("start")
    asked = cell(replace(START, yardsticks=True), seed=1, linear=True)
    runner = build_runner(asked.build_config(folder / "again"))
    runner.model.init_weights()
    parts = []
    for split, number in (("train", 100), ("test", 50)):
        images = Digits(split=split, indices=number)
        pixels = torch.stack([_enlarged(sample["img"]) for sample in images])
        with torch.no_grad():
            maps = runner.model.eval().backbone((pixels - 78) / 96)[-1]
        labels = np.array([sample["gt_label"] for sample in images])
        parts.append((maps.mean(dim=(2, 3)), labels))
    return measure_cell(asked, folder / "cell"), parts


def _enlarged(image):
    enlarged = imresize(image, (16, 16), interpolation="bicubic")
    return torch.from_numpy(enlarged).permute(2, 0, 1).float()


def test_a_method_without_training_has_the_numbers_of_the_weights_at_the_start(start):
    found, ((train, labels), (test, truth)) = start
    assert found["steps"] == found["images_seen"] == 0 and not found["collapsed"]
    near = (F.normalize(test) @ F.normalize(train).T).topk(5)
    votes = np.zeros((len(test), 10))
    for row, (cosines, places) in enumerate(zip(*near, strict=True)):
        for cosine, place in zip(cosines, places, strict=True):
            votes[row, labels[place]] += np.exp(float(cosine) / 0.07)
    accuracy = 100 * (votes.argmax(axis=1) == truth).mean()
    assert found["scores"]["knn"] == pytest.approx(accuracy, abs=1e-4)


def test_the_linear_classifier_is_scikit_learns_on_standardised_features(start):
    found, ((train, labels), (test, truth)) = start
    scaler = StandardScaler().fit(train)
    classifier = LogisticRegression(max_iter=300).fit(scaler.transform(train), labels)
    accuracy = 100 * classifier.score(scaler.transform(test), truth)
    assert found["scores"]["linear"] == pytest.approx(accuracy, abs=2.01)  # one image of 50


def test_wards_clusters_are_scikit_learns(start):
    found, ((train, labels), _) = start
    for number in (12, 6, 3):
        clusters = AgglomerativeClustering(number).fit_predict(F.normalize(train).numpy())
        agreement = adjusted_mutual_info_score(labels, clusters)
        assert found["scores"][f"ward/{number}/ami"] == pytest.approx(agreement, abs=1e-6)


def test_a_tree_from_wards_clusters_is_scored_beside_that_of_kmeans_plus_plus(start):
    found, ((train, labels), _) = start
    features = F.normalize(train)
    tree = hierarchical_kmeans(features, (12, 6, 3), seeding="ward")
    for level, nodes in enumerate(tree.path(torch.arange(len(features)))):
        agreement = adjusted_mutual_info_score(labels, nodes)
        score = found["scores"][f"from_ward/{level}_{(12, 6, 3)[level]}/ami"]
        assert score == pytest.approx(agreement, abs=1e-6)


def test_the_spread_is_that_of_the_features_at_unit_length(start):
    """Effective rank: e to the entropy of the singular values' shares (Roy & Vetterli, 2007)."""
    found, ((train, _), _) = start
    unit = F.normalize(train).double().numpy()
    share = np.linalg.svd(unit, compute_uv=False)
    share = share[share > 1e-9 * share[0]] / share.sum()
    rank = np.exp(-(share * np.log(share)).sum())
    assert found["spread"]["rank"] == pytest.approx(rank, rel=1e-3)
    assert found["spread"]["std"] == pytest.approx(unit.std(axis=0).mean() * np.sqrt(32), rel=1e-4)


# What an entry can ask for


def test_neighbours_are_looked_for_in_the_gallery_if_there_is_one(start, tmp_path):
    """The gallery has the images that were trained on, which are others now."""
    images = dict(
        train=dict(IMAGES, split="test", indices=-100), gallery=dict(IMAGES, split="train")
    )
    found = measure_cell(cell(START, seed=1, **images), tmp_path)["scores"]
    assert found["knn"] == start[0]["scores"]["knn"]
    assert found["features/0_12/ami"] != start[0]["scores"]["features/0_12/ami"]


def test_a_method_without_training_starts_from_the_weights_of_the_data(tmp_path):
    """The same numbers from either seed: nothing of the backbone is drawn."""
    config = tmp_path / "resnet.py"
    config.write_text(
        f"_base_ = [{str(DIGITS)!r}]\n"
        "model = dict(backbone=dict(_delete_=True, type='ResNet', depth=18))\n"
    )
    file = str(tiny_checkpoint(tmp_path / "w.pth"))
    found = [
        measure_cell(cell(START, seed, config=str(config), checkpoint=file), tmp_path / str(seed))
        for seed in (0, 1)
    ]
    assert found[0]["scores"]["knn"] == found[1]["scores"]["knn"]
    assert found[0]["spread"] == found[1]["spread"]


def test_a_projection_lies_beside_its_backbone_and_both_are_of_one_length():
    torch.manual_seed(0)
    model = nn.Module()
    model.data_preprocessor = nn.Identity()
    model.backbone = nn.Conv2d(3, 8, 3)
    model.neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    images = torch.randn(5, 3, 6, 6)
    features = 2**0.5 * WithProjection(copy.deepcopy(model)).backbone(images)
    maps = model.backbone(images)
    torch.testing.assert_close(features[:, :8], F.normalize(maps.mean(dim=(2, 3))))
    torch.testing.assert_close(features[:, 8:], F.normalize(model.neck(maps)))


def test_swavs_projection_lies_there_too():
    """Its neck takes several crops' features, and gives those of all below each other."""
    pytest.importorskip("timm")
    torch.manual_seed(0)
    model = nn.Module()
    model.data_preprocessor = nn.Identity()
    model.backbone = TIMMBackbone("resnet18")
    model.neck = SwAVNeck(512, 0, 4)
    images = torch.randn(5, 3, 32, 32)
    features = 2**0.5 * WithProjection(model).backbone(images)
    pooled = model.backbone(images)[-1].mean(dim=(2, 3))
    torch.testing.assert_close(features[:, :512], F.normalize(pooled))
    linear = model.neck.projection_neck
    torch.testing.assert_close(features[:, 512:], F.normalize(linear(pooled)))


# Collapse


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_collapse_is_what_the_hook_found_of_the_keys(threshold, tmp_path):
    """A spread of 1 is an even embedding's, which none has: below it all have collapsed."""
    options = {
        **data_entry()["options"],
        "train_cfg.max_epochs": 1,
        "default_hooks.collapse.grace_epochs": 0,
        "default_hooks.collapse.min_embedding_std": threshold,
        "default_hooks.collapse.min_effective_rank": 0.0,
    }
    found = measure_cell(cell(MethodEntry(config=MOCO), options=options), tmp_path)
    assert found["collapsed"] is (threshold == 1.0)
    assert "knn" in found["scores"]  # a warning only: it has its numbers


@pytest.mark.parametrize(("divisor", "collapsed"), [(96.0, False), (1e9, True)])
def test_a_method_without_keys_has_collapsed_when_its_features_are_all_alike(
    divisor, collapsed, tmp_path
):
    """The network sees the same grey in every image whose pixels are divided by a milliard."""
    options = {**data_entry()["options"], "train_cfg.max_epochs": 1}
    options |= {"optim_wrapper.optimizer.lr": 0.0, "model.data_preprocessor.std": [divisor] * 3}
    found = measure_cell(cell(MethodEntry(config=SIMSIAM), options=options), tmp_path)
    assert found["collapsed"] is collapsed
    assert (found["spread"]["std"] < 1e-3) is collapsed
