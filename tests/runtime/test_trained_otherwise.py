"""Weights of the right shapes in a config that was not theirs: what differs is said."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm.runtime import trained_otherwise
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.runtime.trained_otherwise import differences, say_differences
from hcsc_mm.stages import Chain, ChainOptions


def config(name: str, **options) -> Config:
    return load_config(
        str(ROOT / "configs" / f"{name}.py"),
        {key.replace("__", "."): value for key, value in options.items()},
    )


KNN = dict(model__backbone__depth="18")


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ({}, {}, []),
        ({}, {"image_size": "32"}, ["CenterCrop 224; in the pre-training ResizeEdge 36, Center"]),
        (
            {},
            {"model.data_preprocessor.mean": "[0.0,0.0,0.0]"},
            ["model.data_preprocessor.mean is [123.675, 116.28, 103.53] here and [0.0, 0.0, 0.0]"],
        ),
        ({"model.data_preprocessor.to_rgb": "False"}, {}, ["to_rgb is False here and True there"]),
        ({}, {"white": "4095"}, ["LoadImage.white is None here and 4095 there"]),
        (
            {"model.backbone.strides": "(1,2,2,1)"},
            {},
            ["model.backbone.strides is (1, 2, 2, 1) here and (1, 2, 2, 2) there"],
        ),
        ({"model.backbone.avg_down": "True"}, {}, ["model.backbone.avg_down is True here and"]),
        ({"model.backbone.frozen_stages": "4"}, {"num_splits": "2"}, []),
    ],
)
def test_what_changes_the_features_is_named_and_what_does_not_is_not(here, there, said):
    here = {"model.backbone.depth": "18", **here}
    knn = load_config(str(ROOT / "configs/benchmarks/knn_folder.py"), here)
    folder = load_config(str(ROOT / "configs/hcsc_r18_200e_folder.py"), there)
    found = list(differences(knn, folder))
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))


@pytest.mark.parametrize(
    "name", ["hcsc_r18_200e_folder", "hcsc_r18_digits", "hcsc_r18_200e_cifar10", "hcsc_r18_grocery"]
)
def test_stages_of_a_chain_differ_in_nothing(name, tmp_path):
    path = str(ROOT / "configs" / f"{name}.py")
    made = Chain(path, ChainOptions(str(tmp_path)))
    for stage in made.stages:
        cfg = made._stage_as_run(stage, "weights.pth")
        assert list(differences(cfg, made.pretraining)) == []


@pytest.mark.parametrize("way", ["test", "start"])
def test_a_checkpoint_that_carries_its_config_is_compared_in_one_line(way, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(trained_otherwise, "print_log", lambda text, *_, **__: lines.append(text))
    digits = config("hcsc_r18_digits")
    text = "\n".join(f"{key} = {value!r}" for key, value in digits.to_dict().items())
    torch.save({"meta": {"cfg": text}, "state_dict": {}}, tmp_path / "digits.pth")
    cfg = config("benchmarks/linear_folder", **KNN)
    if way == "start":
        cfg.model.backbone.init_cfg.checkpoint = str(tmp_path / "digits.pth")
    say_differences(cfg, str(tmp_path / "digits.pth") if way == "test" else None)
    (line,) = lines
    for words in ("digits.pth was trained otherwise", "mean is", "stem_channels", "Resize 16"):
        assert words in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "content", [{"state_dict": {}}, {"meta": {"cfg": "import os"}}, {"meta": {"cfg": 3}}, [1]]
)
def test_files_without_a_config_are_not_compared(content, tmp_path):
    torch.save(content, tmp_path / "bare.pth")
    say_differences(config("benchmarks/knn_folder"), str(tmp_path / "bare.pth"))
