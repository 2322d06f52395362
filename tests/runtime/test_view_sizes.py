"""Stages show images at the size of the pre-training, and say what differs."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm.runtime.launch import load_config
from hcsc_mm.runtime.view_sizes import differing_sizes, fit_sizes
from hcsc_mm.stages import Chain, ChainOptions
from hcsc_mm.utils.image_sizes import describe, evaluation_pipelines, pipelines_of, side_of


def config(name: str, **options) -> Config:
    return load_config(str(ROOT / "configs" / f"{name}.py"), options)


def chain(name: str, tmp_path, cfg_options=None, stage_options=None) -> Chain:
    path = str(ROOT / "configs" / f"{name}.py")
    return Chain(
        path,
        ChainOptions(
            str(tmp_path), cfg_options=cfg_options or {}, stage_options=stage_options or {}
        ),
    )


def as_run(made: Chain) -> dict[str, Config]:
    return {stage.kind: made._stage_as_run(stage, "weights.pth") for stage in made.stages}


def sizes(cfg: Config) -> set[str]:
    """Of all that a runner reads; the variables of the file are left as they are."""
    pipelines = [*evaluation_pipelines(cfg), *pipelines_of(cfg.get("train_dataloader"))]
    return set(map(describe, pipelines))


@pytest.mark.parametrize("base", ["hcsc_r18_200e_folder", "hcsc_r18_devaug_200e_folder"])
def test_every_stage_takes_size_and_crop_of_the_pre_training(base, tmp_path, capsys):
    made = chain(base, tmp_path, {"image_size": "32"})
    for kind, cfg in as_run(made).items():
        training = {"RandomResizedCrop 32"} if kind in ("linear", "semi") else set()
        assert sizes(cfg) == {"ResizeEdge 36, CenterCrop 32"} | training
    made._say_sizes(made.stages[0])
    (line,) = capsys.readouterr().err.splitlines()
    assert "CenterCrop 32, as in the pre-training; its config says whole images by Res" in line


@pytest.mark.parametrize(
    "name",
    [
        "hcsc_r18_200e_folder",
        "hcsc_r18_digits",
        "hcsc_r18_grocery",
        "hcsc_r18_200e_cifar10",
        "hcsc_r18_200e_cifar100",
        "hcsc_r50_mcrop_200e_in1k",
        "hcsc_r50_devaug_200e_in1k",
        "mocov2_r18_digits",
    ],
)
def test_a_chain_as_it_is_shipped_changes_nothing_and_says_nothing(name, tmp_path, capsys):
    made = chain(name, tmp_path)
    for stage in made.stages:
        before = sizes(made._configs[stage])
        assert sizes(made._stage_as_run(stage, "weights.pth")) == before
        made._say_sizes(stage)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "option",
    [
        "knn.image_size=224",  # what the config says already, but now it was asked for
        "all.image_size=96",
        "knn_folder.test_dataloader.dataset.pipeline.2.crop_size=48",
    ],
)
def test_sizes_that_are_asked_for_stay_and_what_differs_is_said(option, tmp_path, capsys):
    key, value = option.split("=")
    made = chain("hcsc_r18_200e_folder", tmp_path, {"image_size": "32"}, {key: value})
    assert f"CenterCrop {value}" in " ".join(sizes(as_run(made)["knn"]))
    made._say_sizes(made.stages[0])
    (line,) = capsys.readouterr().err.splitlines()
    assert "in the pre-training ResizeEdge 36, CenterCrop 32, crops of 32 pixels" in line


def test_a_config_with_sizes_of_its_own_keeps_them(tmp_path):
    benchmark = ROOT / "configs/benchmarks/knn_folder.py"
    (tmp_path / "knn_mine.py").write_text(f"_base_ = [{str(benchmark)!r}]\nown_image_size = True")
    base = ROOT / "configs/hcsc_r18_200e_folder.py"
    pretraining = tmp_path / "mine.py"
    pretraining.write_text(f"_base_ = [{str(base)!r}]\nstages = ['knn_mine.py']")
    made = Chain(
        str(pretraining), ChainOptions(str(tmp_path / "run"), cfg_options={"image_size": "32"})
    )
    assert sizes(as_run(made)["knn"]) == {"ResizeEdge 256, CenterCrop 224"}


def test_other_transforms_make_place_for_those_of_the_pre_training():
    cfg, digits = config("benchmarks/linear_folder"), config("hcsc_r18_digits")
    line = fit_sizes(cfg, digits)
    assert sizes(cfg) == {"Resize 16", "RandomResizedCrop 16"}
    assert [step["type"] for step in cfg.test_dataloader.dataset.pipeline] == [
        "hcsc_mm.LoadImage",
        "Resize",
        "PackInputs",
    ]
    assert line.startswith("whole images by Resize 16, training crops by RandomResizedCrop 16, as")


def test_the_interpolation_of_a_stage_stays():
    cfg, pretraining = config("benchmarks/knn_folder"), config("hcsc_r18_200e_folder")
    cfg.test_dataloader.dataset.pipeline[1].interpolation = "bicubic"
    pretraining.default_hooks.clustering.pipeline[1].scale = 300
    fit_sizes(cfg, pretraining)
    step = cfg.test_dataloader.dataset.pipeline[1]
    assert (step.scale, step.interpolation) == (300, "bicubic")


def test_a_pre_training_without_clustering_gives_the_size_of_its_view_in_proportion():
    cfg = config("benchmarks/linear_folder")
    pretraining = config("hcsc_r18_200e_folder", image_size="112")
    pretraining.default_hooks.pop("clustering")
    fit_sizes(cfg, pretraining)
    assert sizes(cfg) == {"ResizeEdge 128, CenterCrop 112", "RandomResizedCrop 112"}


def test_what_cannot_be_fitted_is_said():
    cfg = config("benchmarks/knn_cifar10")  # shows images as they are
    line = fit_sizes(cfg, config("hcsc_r18_200e_folder", image_size="64"))
    assert line == (
        "whole images by nothing; in the pre-training ResizeEdge 73, CenterCrop 64, crops of 64 "
        "pixels"
    )
    assert differing_sizes(config("benchmarks/knn_folder"), config("hcsc_r18_200e_folder")) is None


def test_sizes_that_are_no_squares_are_taken_as_they_are():
    cfg, pretraining = config("benchmarks/knn_folder"), config("hcsc_r18_200e_folder")
    pretraining.default_hooks.clustering.pipeline[2].crop_size = (64, 48)
    line = fit_sizes(cfg, pretraining)
    assert sizes(cfg) == {"ResizeEdge 256, CenterCrop (64, 48)"}
    assert "as in the pre-training; its config says" in line


@pytest.mark.parametrize("change", [{"default_hooks": None}, {"train_dataloader": None}])
def test_a_pre_training_that_says_little_changes_little(change):
    cfg, pretraining = config("benchmarks/linear_folder"), config("hcsc_r18_200e_folder")
    pretraining.update(change)
    assert fit_sizes(cfg, pretraining) is None


@pytest.mark.parametrize(
    ("pipeline", "side"),
    [
        ([dict(type="mmcv.Resize", scale=(32, 32))], 32),
        ([dict(type="Resize", scale=(48, 32))], None),
        ([dict(type="Resize", scale=32, keep_ratio=True)], None),
        ([dict(type="ResizeEdge", scale=32)], None),
        ([dict(type="torchvision/Resize", size=32)], None),
        (
            [
                dict(type="torchvision/Resize", size=40),
                dict(type="torchvision/CenterCrop", size=32),
            ],
            32,
        ),
        ([dict(type="RandomFlip")], None),
    ],
)
def test_the_side_is_known_where_a_square_is_sure_to_come_out(pipeline, side):
    assert side_of(pipeline) == side
