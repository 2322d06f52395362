"""Fitting benchmarks to a pre-training."""

from __future__ import annotations

import hashlib

import pytest
import torch
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.stages import Chain, ChainOptions
from hcsc_mm.stages.plan import stages_of
from hcsc_mm.stages.prepare import (
    check_data,
    data_roots,
    digest,
    file_digest,
    fit_to_pretraining,
    missing_data,
    move_data,
)


def config(name: str) -> Config:
    return load_config(str(ROOT / "configs" / f"{name}.py"))


@pytest.mark.parametrize("stage", ["linear_folder", "semi_folder"])
def test_a_trained_stage_takes_backbone_normalisation_width_and_weights_of_the_pretraining(stage):
    cfg, pretraining = config(f"benchmarks/{stage}"), config("hcsc_r18_200e_cifar10")
    fit_to_pretraining(cfg, pretraining, "weights.pth")
    assert (cfg.model.backbone.type, cfg.model.backbone.depth, cfg.model.head.in_channels) == (
        "ResNet_CIFAR",
        18,
        512,
    )
    assert cfg.model.backbone.norm_cfg.type == "BN"  # there is no key here to keep from the query
    assert "num_splits" not in cfg.model.backbone.norm_cfg
    assert cfg.model.data_preprocessor["mean"] == pretraining.model.data_preprocessor["mean"]
    assert cfg.model.backbone.init_cfg == dict(
        type="Pretrained", checkpoint="weights.pth", prefix="backbone."
    )
    assert pretraining.model.backbone.norm_cfg.type == "hcsc_mm.SplitBatchNorm2d"


def test_a_stage_loads_images_as_the_pretraining_does():
    cfg, pretraining = config("benchmarks/linear_folder"), config("hcsc_r18_200e_folder")
    pretraining.train_dataloader.dataset.pipeline[0].update(white=4095, color_type="grayscale")
    fit_to_pretraining(cfg, pretraining, "weights.pth")
    for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        load = part.dataset.pipeline[0]
        assert (load.white, load.color_type, load.get("unreadable")) == (4095, "grayscale", None)


@pytest.mark.parametrize(
    ("entry", "white"),
    [({"hierarchical_clustering": {"white": 4095.0}}, 4095.0), ({}, "auto")],
    ids=["found", "not noted"],
)
def test_a_stage_has_the_white_that_the_pretraining_found(entry, white, tmp_path):
    torch.save({"state_dict": {}, **entry}, tmp_path / "w.pth")
    cfg, pretraining = config("benchmarks/linear_folder"), config("hcsc_r18_200e_folder")
    pretraining.train_dataloader.dataset.pipeline[0].white = "auto"
    fit_to_pretraining(cfg, pretraining, str(tmp_path / "w.pth"))
    assert cfg.test_dataloader.dataset.pipeline[0].white == white


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (dict(mean=[1.0] * 3, std=[2.0] * 3), ([1.0] * 3, [2.0] * 3, False)),  # BGR
        (dict(mean=[1.0] * 3, std=[2.0] * 3, bgr_to_rgb=True), ([1.0] * 3, [2.0] * 3, True)),
        (dict(), (None, None, False)),  # values as they are
    ],
)
def test_a_stage_normalises_as_the_pretraining_does_also_where_that_says_nothing(said, expected):
    cfg, pretraining = config("benchmarks/knn_folder"), config("hcsc_r18_200e_folder")
    pretraining.model.data_preprocessor = dict(type="SelfSupDataPreprocessor", **said)
    fit_to_pretraining(cfg, pretraining, "weights.pth")
    found = cfg.model.data_preprocessor
    assert (found.get("mean"), found.get("std"), found.to_rgb) == expected


def test_a_stage_that_only_tests_loads_the_checkpoint():
    cfg = config("benchmarks/knn_folder")
    fit_to_pretraining(cfg, config("hcsc_r18_digits"), "weights.pth")
    assert cfg.load_from == "weights.pth"
    assert "init_cfg" not in cfg.model.backbone


def test_a_detector_keeps_the_backbone_of_its_library_and_takes_the_weights():
    backbone = dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone."),
    )
    cfg = Config(dict(default_scope="mmdet", train_cfg=dict(), model=dict(backbone=backbone)))
    fit_to_pretraining(cfg, config("hcsc_r18_digits"), "weights.pth")
    assert cfg.model.backbone.depth == 50
    assert cfg.model.backbone.init_cfg.checkpoint == "weights.pth"


def test_data_are_moved_in_every_place():
    path = str(ROOT / "configs/hcsc_r50_200e_in1k.py")
    for cfg in [
        load_config(path),
        *(load_config(stage.config) for stage in stages_of(load_config(path), path)),
    ]:
        before = [root for root in data_roots(cfg._cfg_dict) if root]
        assert before
        assert all(root.startswith("data/") for root in before)
        move_data(cfg, "/mnt/big")
        assert [root for root in data_roots(cfg._cfg_dict) if root] == [
            "/mnt/big" + root.removeprefix("data") for root in before
        ]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hcsc_r18_200e_folder", {}, None),
        (
            "hcsc_r18_digits",
            {},
            "--data-root /mnt/big takes the place of data/ in data_root, and no",
        ),
        (
            "hcsc_r18_200e_folder",
            {"data_root": "/my/photos"},
            "data are in /my/photos; leave it out, or say --cfg-options data_root=DIR",
        ),
    ],
)
def test_a_folder_of_data_in_which_nobody_looks_is_refused(name, options, message, tmp_path):
    path = str(ROOT / "configs" / f"{name}.py")
    stages = {f"all.{key}": value for key, value in options.items()}
    chain = ChainOptions(str(tmp_path), None, None, "/mnt/big", "none", False, options, stages)
    if message is None:
        Chain(path, chain)
        return
    with pytest.raises(HCSCError, match=message):
        Chain(path, chain)


def test_folders_of_data_that_are_missing_are_found_but_not_those_that_are_downloaded(tmp_path):
    (tmp_path / "imagenet").mkdir()
    for name, missing in (
        ("knn_in1k", []),
        ("linear_places205", ["places205"]),
        ("svm_voc07", ["VOCdevkit/VOC2007"]),
        ("knn_cifar10", []),
    ):
        cfg = config(f"benchmarks/{name}")
        move_data(cfg, str(tmp_path))
        assert set(missing_data(cfg)) == {str(tmp_path / folder) for folder in missing}
    assert missing_data(config("hcsc_r18_digits")) == []


def test_the_digest_follows_what_numbers_follow_from_and_nothing_else():
    def changed(**options) -> str:
        cfg = config("benchmarks/linear_digits")
        cfg.merge_from_dict({key.replace("__", "."): value for key, value in options.items()})
        return digest(cfg, "weights")

    plain = changed()
    assert plain == changed(
        work_dir="elsewhere", launcher="pytorch", resume=True, log_level="DEBUG"
    )
    assert plain == changed(model__backbone__init_cfg__checkpoint="the/same/weights/elsewhere.pth")
    assert plain != changed(train_cfg__max_epochs=3)
    assert plain != changed(model__backbone__depth=18)
    assert plain != changed(randomness__seed=1)
    assert plain != digest(config("benchmarks/linear_digits"), "other weights")


def test_the_digest_follows_the_content_of_checkpoints_that_are_judged_beside_one(tmp_path):
    def found(name, content) -> str:
        (tmp_path / name).write_bytes(content)
        cfg = config("benchmarks/knn_digits")
        cfg.test_cfg.stages = [str(tmp_path / name)]
        return digest(cfg, "weights")

    assert found("one.pth", b"first") == found("other.pth", b"first")
    assert found("one.pth", b"first") != found("one.pth", b"second")
    assert found("one.pth", b"first") != digest(config("benchmarks/knn_digits"), "weights")


def test_the_digest_of_a_file_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"weights" * 1_000_000)
    assert file_digest(str(tmp_path / "file")) == hashlib.sha256(b"weights" * 1_000_000).hexdigest()


def test_data_that_are_not_there_are_said_with_the_option_and_the_stages_that_have_theirs(tmp_path):
    absent, present = (
        Config(dict(dataset=dict(type="hcsc_mm.ImageFolder", data_root=str(root))))
        for root in (tmp_path / "absent", tmp_path)
    )
    with pytest.raises(HCSCError, match=r"--stage-options a\.data_root=DIR; .*: --stages c$"):
        check_data({"a": absent, "b": absent, "c": present})
    with pytest.raises(HCSCError, match=r"--cfg-options data_root=DIR$"):
        check_data({"pretrain": absent})
