"""Benchmark configs on small data sets, through the tool's own functions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import mmpretrain.models  # noqa: F401  registers ResNet
import numpy as np
import pytest
import torch
from logged import logged
from mmpretrain.datasets import VOC
from mmpretrain.registry import MODELS
from PIL import Image
from tiny import ROOT

from hcsc_mm import HCSCError, datasets
from hcsc_mm.evaluation import feature_loop
from hcsc_mm.evaluation.feature_set import read_labels
from hcsc_mm.registry import METRICS
from hcsc_mm.runtime.launch import run_test

BENCHMARKS = ROOT / "configs" / "benchmarks"


def picture(path: Path, number: int) -> None:
    """Stripes whose direction is the class: 0 upright, 1 across."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    stripes = (
        (np.arange(40) // 4 % 2 * 200 + random.normal(0, 12, (40, 40)))
        .clip(0, 255)
        .astype(np.uint8)
    )
    Image.fromarray(stripes if number % 2 == 0 else stripes.T).convert("RGB").save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """train/<class>/ and val/<class>/, 12 and 6 images."""
    root = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 12), ("val", 6)):
        for number in range(count):
            picture(
                root / split / ("up", "across")[number % 2] / f"{number}.png",
                number + 100 * (split == "val"),
            )
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    torch.manual_seed(0)
    resnet = MODELS.build(dict(type="mmpretrain.ResNet", depth=18))
    resnet.init_weights()
    path = tmp_path_factory.mktemp("weights") / "r18.pth"
    torch.save(
        {"state_dict": {f"backbone.{name}": value for name, value in resnet.state_dict().items()}},
        path,
    )
    return str(path)


def measure(config: str, checkpoint: str, tmp_path: Path, options: dict) -> dict[str, float]:
    def change(cfg):
        cfg.merge_from_dict(
            {"model.backbone.depth": 18, "test_dataloader.num_workers": 0, **options}
        )
        cfg.load_from, cfg.launcher, cfg.work_dir, cfg.log_level = (
            checkpoint,
            "none",
            str(tmp_path / "run"),
            "WARNING",
        )
        cfg.experiment_name = str(tmp_path).replace("/", "_")
        return cfg

    run_test(str(BENCHMARKS / config), {}, change, str(tmp_path / "out.json"))
    return json.loads((tmp_path / "out.json").read_text())


def of_folder(root: Path, **options) -> dict:
    small = {f"pipeline.{step}": 32 for step in ("1.scale", "2.crop_size")}
    loaders = {"test_dataloader": "val", "test_cfg.train_dataloader": "train"}
    changes = {f"{loader}.dataset.data_root": str(root) for loader in loaders}
    changes |= {
        f"{loader}.dataset.{key}": value for loader in loaders for key, value in small.items()
    }
    return {
        **changes,
        "test_cfg.train_dataloader.num_workers": 0,
        "test_evaluator.k": (1, 3),
        **options,
    }


def test_fewer_than_a_hundred_images_are_classified(folder, checkpoint, tmp_path, capsys):
    assert measure("knn_folder.py", checkpoint, tmp_path, of_folder(folder)) == {
        "knn/top1_k1": 100,
        "knn/top1_k3": 100,
    }
    assert "knn/top1_k3  100.0000" in capsys.readouterr().out


def test_more_neighbours_than_images_are_refused(folder, checkpoint, tmp_path):
    with pytest.raises(SystemExit, match=r"^error: k=20 must lie in \[1, 12\]"):
        measure(
            "knn_folder.py",
            checkpoint,
            tmp_path,
            of_folder(folder, **{"test_evaluator.k": (1, 20)}),
        )


def test_an_image_that_cannot_be_read_is_left_out_if_the_loader_skips_it(
    folder, checkpoint, tmp_path
):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    (root / "train" / "up" / "0.png").write_bytes(b"no picture")
    skip = {
        f"{loader}.dataset.pipeline.0.unreadable": "skip"
        for loader in ("test_dataloader", "test_cfg.train_dataloader")
    }
    with pytest.raises(SystemExit, match=r"up/0\.png"):
        measure("knn_folder.py", checkpoint, tmp_path / "stop", of_folder(root))
    with pytest.raises(SystemExit, match=r"k=12 must lie in \[1, 11\]"):
        measure(
            "knn_folder.py",
            checkpoint,
            tmp_path / "skip",
            of_folder(root, **skip, **{"test_evaluator.k": (12,)}),
        )


def test_other_classes_in_test_than_in_training_are_refused(folder, checkpoint, tmp_path):
    picture(tmp_path / "photos" / "val" / "askew" / "0.png", 0)
    options = of_folder(folder, **{"test_dataloader.dataset.data_root": str(tmp_path / "photos")})
    with pytest.raises(SystemExit, match="different classes"):
        measure("knn_folder.py", checkpoint, tmp_path, options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path, good: None, "there is no checkpoint"),
        (lambda path, good: path.write_bytes(Path(good).read_bytes()[:1000]), "damaged"),
        (
            lambda path, good: torch.save({"state_dict": {"fc.weight": torch.zeros(3)}}, path),
            "no weight under 'backbone.'",
        ),
        (lambda path, good: torch.save({"state_dict": {}}, path), "holds no weights"),
    ],
    ids=["missing", "truncated", "no backbone", "empty"],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(make, message, folder, checkpoint, tmp_path):
    make(tmp_path / "bad.pth", checkpoint)
    with pytest.raises(SystemExit, match=message) as stop:
        measure("knn_folder.py", str(tmp_path / "bad.pth"), tmp_path, of_folder(folder))
    assert "\n" not in str(stop.value)


def test_a_checkpoint_of_another_depth_is_refused(folder, checkpoint, tmp_path):
    with pytest.raises(SystemExit, match="another architecture"):
        measure(
            "knn_folder.py", checkpoint, tmp_path, of_folder(folder, **{"model.backbone.depth": 34})
        )


@pytest.fixture(scope="module")
def voc(tmp_path_factory) -> Path:
    """PASCAL VOC's layout: a cat on even images, a dog on odd ones, a difficult person on every
    third.
    """
    root = tmp_path_factory.mktemp("VOC2007")
    for split, numbers in (("trainval", range(12)), ("test", range(12, 20))):
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text(
            "\n".join(f"{number:06}" for number in numbers)
        )
        for number in numbers:
            picture(root / "JPEGImages" / f"{number:06}.jpg", number)
            annotation = ElementTree.Element("annotation")
            objects = (
                [(("cat", "dog")[number % 2], 0)]
                + [("person", 1)] * (number % 3 == 0)
                + [("person", 0)] * (number % 4 == 0)
            )
            for name, difficult in objects:
                one = ElementTree.SubElement(annotation, "object")
                (
                    ElementTree.SubElement(one, "name").text,
                    ElementTree.SubElement(one, "difficult").text,
                ) = name, str(difficult)
            (root / "Annotations").mkdir(exist_ok=True)
            ElementTree.ElementTree(annotation).write(root / "Annotations" / f"{number:06}.xml")
    return root


def test_of_a_voc_image_difficult_objects_are_not_judged_unless_the_class_is_shown_plainly_too(voc):
    dataset = VOC(data_root=str(voc), split="trainval")
    targets, coarse = read_labels(dataset, range(5))
    person, cat = (dataset.metainfo["classes"].index(name) for name in ("person", "cat"))
    assert targets.shape == (5, 20)
    assert coarse is None
    assert targets[:, person].tolist() == [1, 0, 0, -1, 1]
    assert targets[:, cat].tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("config", ["svm_voc07.py", "lowshot_voc07.py"])
def test_voc_configs_reach_full_precision_on_what_is_easy(
    config, voc, checkpoint, tmp_path, monkeypatch
):
    # Three of the twenty classes have images here.
    monkeypatch.setattr(VOC, "METAINFO", {"classes": ("cat", "dog")})
    loaders = ("test_dataloader", "test_cfg.train_dataloader")
    options = {f"{loader}.dataset.data_root": str(voc) for loader in loaders} | {
        "test_cfg.train_dataloader.num_workers": 0
    }
    options |= {
        f"{loader}.dataset.pipeline.{step}": 32
        for loader in loaders
        for step in ("1.scale", "2.crop_size")
    }
    if config.startswith("lowshot"):
        options |= {"test_evaluator.shots": (1, 2), "test_evaluator.num_draws": 2}
    found = measure(config, checkpoint, tmp_path, options)
    assert all(
        value == pytest.approx(100) for name, value in found.items() if not name.endswith("std")
    )
    assert len(found) == (1 if config.startswith("svm") else 4)


def test_a_folder_without_labels_has_features_but_nothing_to_be_compared_with(
    folder, checkpoint, tmp_path
):
    unlabelled = {
        f"{loader}.dataset.{key}": value
        for loader in ("test_dataloader", "test_cfg.train_dataloader")
        for key, value in {"type": "hcsc_mm.ImageFolder", "with_label": False}.items()
    }
    with pytest.raises(SystemExit, match=r"val/across/1\.png of the test set has no label"):
        measure("knn_folder.py", checkpoint, tmp_path, of_folder(folder, **unlabelled))

    class Spread:
        needs_labels = False

        def evaluate(self, test, train, checkpoint):
            assert test.labels is train.labels is None
            return {"spread": float(test.features.std()), "images": len(test.features)}

    METRICS.register_module(name="Spread", module=Spread, force=True)
    options = of_folder(
        folder, **unlabelled, test_evaluator={"_delete_": True, "type": "hcsc_mm.Spread"}
    )
    options.pop("test_evaluator.k")
    found = measure("knn_folder.py", checkpoint, tmp_path / "spread", options)
    assert found["images"] == 6
    assert found["spread"] > 0


def numbered(tmp_path, folder, labels):
    """Lists of the folder's images: train.txt with these labels, one for each image, and val.txt
    with the first of them.
    """
    for split, given in (("train", labels), ("val", labels[:1])):
        paths = sorted((folder / split).rglob("*.png"))
        lines = [f"{path} {label}" for path, label in zip(paths, given, strict=False)]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
    loaders = {"test_dataloader": "val", "test_cfg.train_dataloader": "train"}
    options = {}
    for loader, split in loaders.items():
        options[f"{loader}.dataset.ann_file"] = str(tmp_path / f"{split}.txt")
        options[f"{loader}.dataset.data_prefix"] = ""
    return options


MANY_CLUSTERS = [dict(type="hcsc_mm.Clustering", num_clusters=(2, 7))]


@pytest.mark.parametrize(
    ("config", "options", "labels", "message"),
    [
        ("knn_folder.py", {"test_evaluator.k": (1, 13)}, None, r"k=13 must lie in \[1, 12\]"),
        (
            "knn_folder.py",
            {"test_evaluator": [dict(type="hcsc_mm.LowShotSVM", shots=(1, 7))]},
            None,
            "class across has 6 training images, fewer than the 7 to draw",
        ),
        (
            "knn_folder.py",
            {"test_evaluator": [dict(type="hcsc_mm.LowShotSVM", shots=(1, 2))]},
            [0] * 5 + [50] + [7] * 6,
            "class 50 has 1 training image, fewer than the 2 to draw",
        ),
        (
            "knn_folder.py",
            {"test_evaluator": [dict(type="hcsc_mm.LinearSVM")]},
            [50] * 12,
            "class 50 has 12 positive training images of 12; both kinds are needed",
        ),
        (
            "clustering_folder.py",
            {"test_evaluator": MANY_CLUSTERS, "test_dataloader.dataset.data_prefix": "val"},
            None,
            "num_clusters=7 of Clustering exceeds the 6 images under test; set at most 6",
        ),
        (
            "clustering_folder.py",
            {"test_evaluator": [dict(type="hcsc_mm.KNN", k=1)]},
            None,
            "KNN needs labelled images to learn from; give test_cfg.train_dataloader",
        ),
        (
            "knn_folder.py",
            {},
            [1] * 6 + [2] * 6,
            None,
        ),
        (
            "knn_folder.py",
            {"test_evaluator": [{"type": "Accuracy"}]},
            None,
            "Accuracy judges predictions, and FeatureTestLoop has features; take",
        ),
        ("knn_folder.py", {"test_evaluator": []}, None, "has no test_evaluator, or an empty one"),
    ],
)
def test_what_the_data_cannot_give_is_said_before_features_are_extracted(
    folder, checkpoint, tmp_path, monkeypatch, config, options, labels, message
):
    def no_features(*_):
        raise AssertionError("features are extracted")

    monkeypatch.setattr(feature_loop, "extract_with_stages", no_features)
    given = {**of_folder(folder), **options}
    if labels is not None:
        given |= numbered(tmp_path, folder, labels)
    if "test_evaluator" in options:
        given = {
            key: value for key, value in given.items() if not key.startswith("test_evaluator.")
        }
    if config.startswith("clustering"):
        given = {key: value for key, value in given.items() if "train_dataloader" not in key}
    if message is None:
        with pytest.raises(AssertionError, match="features are extracted"):
            measure(config, checkpoint, tmp_path, given)
        return
    with pytest.raises(SystemExit, match=message) as stop:
        measure(config, checkpoint, tmp_path, given)
    assert "\n" not in str(stop.value)


def test_a_training_list_that_counts_from_1_is_refused(folder, checkpoint, tmp_path):
    options = of_folder(folder) | numbered(tmp_path, folder, [1] * 6 + [2] * 6)
    paths = sorted((folder / "val").rglob("*.png"))
    (tmp_path / "val.txt").write_text(
        "\n".join(f"{path} {int(path.parent.name == 'up')}" for path in paths)
    )
    with pytest.raises(SystemExit, match=r"3 of 6 test images .* does one list count"):
        measure("knn_folder.py", checkpoint, tmp_path, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "hcsc_mm.KNN", "k": 0}, "k=0 of KNN must be a whole number, at least 1"),
        ({"type": "hcsc_mm.KNN", "k": ()}, r"k=\(\) of KNN must be"),
        ({"type": "hcsc_mm.KNN", "k": (1, 2.5)}, "of KNN must be a whole number"),
        ({"type": "hcsc_mm.KNN", "temperature": 0}, "temperature=0 of KNN must be a number above"),
        ({"type": "hcsc_mm.KNN", "temperature": float("nan")}, "temperature=nan of KNN must be"),
        ({"type": "hcsc_mm.LinearSVM", "costs": ()}, "costs of LinearSVM is empty"),
        ({"type": "hcsc_mm.LinearSVM", "costs": (1.0, -1.0)}, r"costs=-1\.0 of LinearSVM must be"),
        ({"type": "hcsc_mm.LinearSVM", "num_folds": 1}, "num_folds=1 of LinearSVM must be"),
        ({"type": "hcsc_mm.LowShotSVM", "cost": 0.0}, r"cost=0\.0 of LowShotSVM must be"),
        ({"type": "hcsc_mm.FewShot", "ways": 2.5}, r"ways=2\.5 of FewShot must be a whole"),
        ({"type": "hcsc_mm.FewShot", "num_episodes": 1}, "num_episodes=1 of FewShot must be"),
        ({"type": "hcsc_mm.FewShot", "seed": -1}, "seed=-1 of FewShot must be"),
        ({"type": "hcsc_mm.Clustering", "seed": -1}, "seed=-1 of Clustering must be"),
        ({"type": "hcsc_mm.LowShotSVM", "shots": (0, 1)}, "of LowShotSVM must be a whole number"),
        ({"type": "hcsc_mm.LowShotSVM", "num_draws": 0}, "num_draws=0 of LowShotSVM must be"),
        ({"type": "hcsc_mm.Clustering", "num_clusters": (0,)}, "of Clustering must be a whole"),
    ],
)
def test_senseless_numbers_are_refused_when_the_metric_is_built(options, message):
    with pytest.raises(HCSCError, match=message):
        METRICS.build(options)


@pytest.fixture
def own_names(voc, tmp_path):
    """VOC's folders with other names of objects."""
    root = tmp_path / "own"
    shutil.copytree(voc, root)
    for path in root.glob("Annotations/*.xml"):
        text = path.read_text().replace("cat", "lion").replace("dog", "tiger")
        path.write_text(text.replace("person", "caf\u00e9"), encoding="utf-8")
    return root


def test_names_of_objects_that_are_no_classes_are_listed(own_names, monkeypatch):
    with pytest.raises(
        HCSCError, match=r"3 names of objects in .* are no classes .* \(6\)"
    ) as stop:
        datasets.VOC(data_root=str(own_names), split="trainval")
    assert all(
        name in str(stop.value) for name in ("lion (6)", "tiger (6)", "caf\u00e9", "classes=")
    )
    with logged(monkeypatch) as lines:
        dataset = datasets.VOC(
            data_root=str(own_names), split="trainval", classes=("lion", "tiger")
        )
    assert [line.text for line in lines if "1 names of objects" in line.text and line.level == 30]
    assert dataset.get_data_info(1)["gt_label"] == [1]
    with logged(monkeypatch) as lines:
        classes = ("lion", "cafe\u0301", "tiger")
        dataset = datasets.VOC(data_root=str(own_names), split="trainval", classes=classes)
    assert not lines
    assert dataset.get_data_info(4)["gt_label"] == [0, 1]


def test_missing_and_damaged_files_of_voc_are_named(own_names):
    def listed():
        return datasets.VOC(data_root=str(own_names), classes=("lion", "tiger", "caf\u00e9"))

    path = own_names / "Annotations/000003.xml"
    path.write_text("<annotation><object></annotation>")
    with pytest.raises(HCSCError, match=r"000003\.xml is no annotation that can be read"):
        listed()
    path.unlink()
    with pytest.raises(HCSCError, match=r"1 of the 12 images in .*000003\.xml of line 4"):
        listed()
    (own_names / "JPEGImages/000002.jpg").unlink()
    with pytest.raises(HCSCError, match=r"1 of the 12 images in .*000002\.jpg of line 3"):
        listed()


def test_the_voc_of_mmpretrain_reads_the_same(voc):
    ours, theirs = (kind(data_root=str(voc)) for kind in (datasets.VOC, VOC))
    for row in range(len(theirs)):
        one, other = ours.get_data_info(row), theirs.get_data_info(row)
        assert {**one, "gt_label": set(one["gt_label"])} == {
            **other,
            "gt_label": set(other["gt_label"]),
        }
