"""Options of the command line on the configs of this repository: 20 that are right, with what
follows from them, and 20 that are not, with the one line that they end in.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from typing import Any

import pytest
from command_line import run_here
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.runtime.command_line import parse
from hcsc_mm.runtime.launch import load_config

FOLDER, IN1K = "hcsc_r18_200e_folder", "hcsc_r50_200e_in1k"
LOADER, DATASET = "train_dataloader", "train_dataloader.dataset"
PROBE = "default_hooks.probe"


def config_path(name: str) -> str:
    return str(ROOT / "configs" / f"{name}.py")


def changed(name: str, *words: str) -> Config:
    return load_config(config_path(name), dict(word.split("=", 1) for word in words))


def at(cfg: Config, place: str) -> Any:
    value: Any = cfg
    for part in place.split("."):
        value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
    return value


RIGHT = [
    # a value at the top, and what follows from it
    (FOLDER, ["data_root=/my/photos"], {f"{DATASET}.data_root": "/my/photos"}),
    (
        FOLDER,
        ["batch_size=32"],
        {
            f"{LOADER}.batch_size": 32,
            "optim_wrapper.optimizer.lr": 0.12 * 32 / 256,
            "auto_scale_lr.base_batch_size": 32,
        },
    ),
    (
        FOLDER,
        ["image_size=64", "max_epochs=20"],
        {
            f"{DATASET}.pipeline.1.transforms.0.0.scale": 64,
            "train_cfg.max_epochs": 20,
        },
    ),
    # a computed value wins over what it would follow from
    (FOLDER, ["lr=1e-3", "batch_size=32"], {"optim_wrapper.optimizer.lr": 0.001}),
    # a value of the base, which the file repeats
    (
        "hcsc_r50_400e_in1k",
        ["num_gpus=4", "max_epochs=5"],
        {"optim_wrapper.optimizer.lr": 0.015, "train_cfg.max_epochs": 5},
    ),
    # of a base that the file reads as _base_.image_size, and of one two files up
    (
        "hcsc_r18_grocery",
        ["image_size=32"],
        {f"{DATASET}.pipeline.1.transforms.0.0.scale": 32},
    ),
    (
        "hcsc_r18_devaug_200e_folder",
        ["image_size=64", "data_root=/x"],
        {"model.data_preprocessor.views.1.size": 64, f"{DATASET}.data_root": "/x"},
    ),
    # in a benchmark: three data sets, and a choice that depends on the value
    (
        "benchmarks/linear_folder",
        ["data_root=/x", "num_classes=3"],
        {
            f"{DATASET}.data_root": "/x",
            "val_dataloader.dataset.data_root": "/x",
            "test_dataloader.dataset.data_root": "/x",
            "model.head.num_classes": 3,
            "val_evaluator.topk": (1,),
        },
    ),
    # values of the types that their places take
    (FOLDER, ["data_root=/a,b"], {f"{DATASET}.data_root": "/a,b"}),
    (FOLDER, ["data_root=2024"], {f"{DATASET}.data_root": "2024"}),
    ("benchmarks/knn_folder", ["k=5"], {"test_evaluator.k": (5,)}),
    ("benchmarks/linear_folder", ["milestones=30,40"], {"param_scheduler.0.milestones": [30, 40]}),
    ("benchmarks/semi_folder", ["per_class=5"], {f"{DATASET}.per_class": 5}),
    # places, as in mmengine; they win over names
    (FOLDER, ["batch_size=32", f"{LOADER}.batch_size=8"], {f"{LOADER}.batch_size": 8}),
    (
        FOLDER,
        [f"{DATASET}.pipeline.0.unreadable=skip"],
        {f"{DATASET}.pipeline.0.unreadable": "skip"},
    ),
    # keys that the file leaves out
    (FOLDER, [f"{LOADER}.pin_memory=True"], {f"{LOADER}.pin_memory": True}),
    (FOLDER, ["model.backbone.norm_cfg.momentum=0.2"], {"model.backbone.norm_cfg.momentum": 0.2}),
    (FOLDER, ["optim_wrapper.clip_grad.max_norm=1"], {"optim_wrapper.clip_grad": {"max_norm": 1}}),
    (
        FOLDER,
        [f"{PROBE}.type=hcsc_mm.OnlineLinearProbeHook", f"{PROBE}.in_channels=512"],
        {PROBE: {"type": "hcsc_mm.OnlineLinearProbeHook", "in_channels": 512}},
    ),
    (
        FOLDER,
        ["compile=true", "randomness.deterministic=True", "find_unused_parameters=True"],
        {"compile": True, "randomness.deterministic": True, "find_unused_parameters": True},
    ),
]

WRONG = [
    # names and places that nothing reads
    (FOLDER, "bach_size=8", "there is no bach_size; did you mean batch_size?"),
    (FOLDER, "temperature=0.1", "did you mean model.head.temperature?"),
    (IN1K, "total_bach=64", "did you mean total_batch?"),
    ("benchmarks/knn_in1k", "max_epochs=3", "nothing reads max_epochs"),
    (FOLDER, "default_hooks.loger.interval=5", "did you mean default_hooks.logger.interval?"),
    (FOLDER, "model.hed.temperature=0.1", "did you mean model.head.temperature?"),
    (FOLDER, "model.head.temprature=0.1", "did you mean model.head.temperature?"),
    (FOLDER, f"{LOADER}.pin_memroy=True", f"did you mean {LOADER}.pin_memory?"),
    (FOLDER, f"{DATASET}.data_rot=/x", f"did you mean {DATASET}.data_root?"),
    (
        FOLDER,
        "optim_wrapper.clip_grad.max_nrom=1",
        "did you mean optim_wrapper.clip_grad.max_norm?",
    ),
    (FOLDER, "randomness.deterministc=True", "did you mean randomness.deterministic?"),
    (FOLDER, "load.unreadabel=skip", "did you mean load.unreadable?"),
    (FOLDER, "val_dataloader.batch_size=4", "there is no val_dataloader; a new one needs"),
    (FOLDER, f"{PROBE}.in_channels=512", f"a new one needs {PROBE}.type, too"),
    (
        FOLDER,
        f"{PROBE}.type=hcsc_mm.OnlineProbeHook",
        "there is no type hcsc_mm.OnlineProbeHook; did you mean hcsc_mm.OnlineLinearProbeHook?",
    ),
    # values that their places do not take
    (FOLDER, "batch_size=eight", "batch_size=eight: a whole number is needed"),
    (FOLDER, "max_epochs=2.5", "max_epochs=2.5: a whole number is needed"),
    (FOLDER, "unreadable=true", "unreadable=true: one of stop, skip is needed"),
    (FOLDER, "num_prototypes=many", 'a list of whole numbers is needed, such as "(3,2,1)"'),
    (FOLDER, "resume=maybe", "resume=maybe: true or false is needed"),
]


def test_there_are_twenty_of_each():
    assert len(RIGHT) == len(WRONG) == 20


@pytest.mark.parametrize(
    ("name", "words", "expected"), RIGHT, ids=[" ".join(words) for _, words, _ in RIGHT]
)
def test_a_right_option_is_obeyed_with_all_that_follows_from_it(name, words, expected):
    cfg = changed(name, *words)
    found = {place: at(cfg, place) for place in expected}
    assert found == {
        place: pytest.approx(value) if isinstance(value, float) else value
        for place, value in expected.items()
    }
    assert list(map(type, found.values())) == [
        type(at(cfg, place)) if isinstance(value, dict) else type(value)
        for place, value in expected.items()
    ]


@pytest.mark.parametrize(("name", "word", "line"), WRONG, ids=[word for _, word, _ in WRONG])
def test_a_wrong_option_ends_in_one_line_that_says_what_is_meant(name, word, line):
    with pytest.raises(HCSCError) as caught:
        changed(name, word)
    message = caught.value.one_line()
    assert line in message
    assert message.startswith(f"--cfg-options {word.split('=')[0]}") and "\n" not in message


@pytest.mark.parametrize("name", ["hcsc_r18_200e_folder", "benchmarks/knn_folder"])
def test_options_that_say_what_the_file_says_change_nothing(name):
    plain = load_config(config_path(name))
    words = {
        key: str(plain[key]) for key in ("data_root", "image_size", "batch_size") if key in plain
    }
    assert load_config(config_path(name), words).to_dict() == plain.to_dict()


MISTAKE = ["--cfg-options", "bach_size=8"]
LINE = "error: --cfg-options bach_size: there is no bach_size; did you mean batch_size?"


def test_a_misspelt_option_ends_a_training_before_anything_starts(tmp_path, capfd):
    done = run_here(capfd, "train.py", config_path(FOLDER), *MISTAKE, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == LINE
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["test.py", config_path("benchmarks/knn_folder"), "checkpoint.pth"],
        ["run_stages.py", config_path(FOLDER)],
        ["quick_start.py", "--work-dir", "run"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_other_tool_refuses_it_too(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*arguments, *MISTAKE])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / "tools" / arguments[0]), run_name="__main__")
    assert caught.value.code == LINE
    assert not list(tmp_path.rglob("*.p*"))


def test_a_word_without_an_equals_sign_is_refused_with_the_form(capsys):
    with pytest.raises(SystemExit):
        parse(argparse.ArgumentParser(), ["--cfg-options", "max_epochs", "20"])
    assert "--cfg-options max_epochs: write KEY=VALUE" in capsys.readouterr().err
