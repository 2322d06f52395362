"""Configs in files of every form, read with options."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tiny import DIGITS, TINY, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.configs import check_kept, merge_options, read_config
from hcsc_mm.runtime.configs.names import read_with
from hcsc_mm.runtime.launch import load_config

GRANDPARENT = """
import math
length = 3
root = 'data'
note = dict(text='x', numbers=[1, 2])
log_level = 'INFO'
"""
PARENT = """
_base_ = ['grandparent.py']
double = _base_.length * 2
one, two = double + 1, 5
total: int = two * 2
total += 1
path = f'{_base_.root}/x'
if two > 3:
    branch = total
for step in range(3):
    last = step
def three():
    two = 3
    return two
_hidden = 3
unused = 7
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=double, val_begin=branch)
randomness = dict(seed=one, diff_rank_seed=bool(three() + last + _hidden))
custom_imports = dict(imports=['json'])
custom_hooks = [dict(type='EMAHook', momentum=0.1, note=_base_.note)]
"""
CHILD = """
_base_ = 'parent.py'
length = 4
work_dir = f'{_base_.path}/{{ fileBasenameNoExtension }}'
load_from = {{ _base_.path }}
train_cfg = dict(val_interval=length)
"""


@pytest.fixture
def family(tmp_path) -> Path:
    for name, text in (("grandparent", GRANDPARENT), ("parent", PARENT), ("child", CHILD)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path / "child.py"


def changed(path: Path, **options) -> Config:
    return read_config(str(path), {key.replace("__", "."): one for key, one in options.items()})[0]


def test_a_value_of_a_base_changes_what_any_file_of_the_chain_makes_of_it(family):
    cfg = changed(family, length="10")
    assert (cfg.length, cfg.double, cfg.one) == (10, 20, 21)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (20, 10)
    assert cfg.randomness.seed == 21


def test_names_are_changed_in_tuples_annotations_additions_branches_and_texts(family):
    assert changed(family, two="8").train_cfg.val_begin == 17
    assert changed(family, total="30").train_cfg.val_begin == 30
    assert changed(family, branch="2").train_cfg.val_begin == 2
    cfg = changed(family, root="/my photos")
    assert cfg.work_dir == "/my photos/x/child" and cfg.load_from == "/my photos/x"


def test_a_computed_value_wins_over_what_it_is_computed_from(family):
    cfg = changed(family, length="10", double="5")
    assert cfg.train_cfg.max_epochs == 5 and cfg.train_cfg.val_interval == 10


def test_what_is_read_at_the_top_changes_and_is_merged_again_after_flags(family):
    cfg, changes = read_config(str(family), {"work_dir": "a", "train_cfg.val_begin": "2"})
    assert (cfg.work_dir, cfg.train_cfg.val_begin) == ("a", 2)
    cfg.work_dir = "flag"
    merge_options(cfg, changes)
    assert cfg.work_dir == "a"


def test_a_place_in_a_group_that_the_config_only_uses_reaches_where_it_is_used(family):
    (family.parent / "uses.py").write_text(
        "steps = [dict(type='a', x=[dict(y=1)]), dict(type='b')]\n"
        "load = dict(type='c', deep=dict(z=1))\n"
        "custom_hooks = [dict(type='EMAHook', steps=[load, *steps])]\n"
    )
    options = {"load.deep.z": "2", "load.deep.new": "3", "steps.0.x.0.y": "4"}
    cfg, changes = read_config(str(family.parent / "uses.py"), options)
    assert cfg.custom_hooks[0].steps == [
        {"type": "c", "deep": {"z": 2, "new": 3}},
        {"type": "a", "x": [{"y": 4}]},
        {"type": "b"},
    ]
    assert changes == {}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("unused=8", "follows from unused; name the place that it is meant for"),
        ("step=8", "follows from step"),
        ("_hidden=8", "follows from _hidden"),
        ("three=8", "nothing reads three"),
        ("math=8", "there is no math"),
        ("log_levle=DEBUG", "did you mean log_level?"),
        ("length=0x", "a whole number is needed"),
        ("custom_hooks.1.momentum=1", "custom_hooks is a list of 1; custom_hooks.0 is the last"),
        ("train_cfg.max_epochs.x=1", "train_cfg.max_epochs is 8 and has no entries"),
        ("custom_hooks.0=1", "a group of entries is needed"),
        ("param_scheduler.0.type=StepLR", "there is no list param_scheduler"),
        ("train_cfg.type=EpochLoop", "did you mean EpochBasedTrainLoop?"),
    ],
)
def test_what_nothing_follows_from_is_refused(family, option, message):
    key, text = option.split("=")
    with pytest.raises(HCSCError, match=r"^--cfg-options ") as caught:
        changed(family, **{key: text})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_same_value_as_in_the_file_is_refused_too_where_nothing_follows_from_it(tmp_path):
    """Else a run of 400 epochs is taken for one of 200."""
    (tmp_path / "base.py").write_text("epochs = 200\ntrain_cfg = dict(max_epochs=epochs)\n")
    (tmp_path / "x.py").write_text("_base_ = 'base.py'\ntrain_cfg = dict(max_epochs=400)\n")
    with pytest.raises(HCSCError, match="follows from epochs"):
        changed(tmp_path / "x.py", epochs="200")


def test_a_value_with_which_the_file_cannot_be_read_is_named(tmp_path):
    (tmp_path / "x.py").write_text("size = 2\nwork_dir = str(1 / size)\n")
    with pytest.raises(HCSCError, match=r"--cfg-options size=0: .*x\.py .*ZeroDivisionError"):
        changed(tmp_path / "x.py", size="0")


def test_names_reach_places_in_tuples_and_under_keys_with_points(tmp_path):
    """Both are places that the command line itself cannot name."""
    (tmp_path / "x.py").write_text(
        "factor = 0.5\nsize = 3\n"
        "parts = {'head.': dict(lr_mult=factor)}\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1), paramwise_cfg=dict("
        "custom_keys=parts))\n"
        "custom_hooks = [dict(type='EMAHook', steps=(dict(size=size), dict(type='SGD', lr=1)))]\n"
    )
    cfg = changed(tmp_path / "x.py", factor="2", size="4")
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys["head."].lr_mult == 2
    assert cfg.custom_hooks[0].steps[0].size == 4
    with pytest.raises(HCSCError, match=r"give all 2 values, custom_hooks\.0\.steps=\[\.\.\.\]"):
        changed(tmp_path / "x.py", custom_hooks__0__steps__1__lr="2")


def test_a_value_of_several_lines_is_refused_in_one(family):
    with pytest.raises(HCSCError, match=r"'--cfg-options length=two\\nlines': a whole number is"):
        changed(family, length="two\nlines")


def test_a_key_and_a_part_of_it_contradict_each_other(family):
    with pytest.raises(HCSCError, match=r"train_cfg and train_cfg.max_epochs contradict"):
        changed(family, train_cfg="None", train_cfg__max_epochs="3")


def test_a_group_may_replace_none_and_delete_stays_mmengines(tmp_path):
    (tmp_path / "x.py").write_text(
        "optimizer = dict(type='SGD', lr=1)\n"
        "optim_wrapper = dict(type='OptimWrapper', clip_grad=None, optimizer=optimizer)\n"
    )
    options = {
        "optim_wrapper.clip_grad.max_norm": "2",
        "optim_wrapper.optimizer._delete_": "True",
        "optim_wrapper.optimizer.type": "AdamW",
    }
    cfg, changes = read_config(str(tmp_path / "x.py"), options)
    expected = {
        "type": "OptimWrapper",
        "clip_grad": {"max_norm": 2},
        "optimizer": {"type": "AdamW"},
    }
    assert cfg.optim_wrapper == expected
    merge_options(cfg, changes)
    assert cfg.optim_wrapper == expected


def test_modules_that_an_option_imports_register_types_for_other_options(tmp_path, monkeypatch):
    (tmp_path / "my_hooks.py").write_text(
        "from mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n"
        "@HOOKS.register_module(force=True)\nclass Bell(Hook):\n"
        "    def __init__(self, pitch: float = 1.0): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = {
        "default_hooks.bell.type": "Bell",
        "default_hooks.bell.pitch": "2",
        "custom_imports.imports": "hcsc_mm,my_hooks",
    }
    cfg = load_config(str(DIGITS), options)
    assert cfg.default_hooks.bell == {"type": "Bell", "pitch": 2}
    assert cfg.custom_imports.imports == ["hcsc_mm", "my_hooks"]


def test_types_and_arguments_of_a_pure_python_config_are_known_and_its_names_are_refused(tmp_path):
    (tmp_path / "base_config.py").write_text("work_dir = 'x'\n")
    (tmp_path / "pure.py").write_text(
        "from mmengine.config import read_base\n"
        "with read_base():\n    from .base_config import *\n"
        "from mmengine.hooks import EMAHook\n"
        "epochs = 3\n"
        "train_cfg = dict(by_epoch=True, max_epochs=epochs)\n"
        "custom_hooks = [dict(type=EMAHook)]\n"
    )
    path = tmp_path / "pure.py"
    cfg = changed(path, train_cfg__max_epochs="5", custom_hooks__0__begin_epoch="1", work_dir="y")
    assert (cfg.train_cfg.max_epochs, cfg.custom_hooks[0].begin_epoch) == (5, 1)
    assert cfg.work_dir == "y"
    with pytest.raises(HCSCError, match=r"nothing in .* follows from epochs"):
        changed(path, epochs="5")
    with pytest.raises(HCSCError, match=r"did you mean custom_hooks.0.begin_epoch"):
        changed(path, custom_hooks__0__begin_epochs="5")


def test_configs_that_inherit_from_mmpretrain_obey(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'\n")
    cfg = changed(path, dataset_type="CIFAR10", vis_backends__0__type="TensorboardVisBackend")
    assert cfg.train_dataloader.dataset.type == cfg.val_dataloader.dataset.type == "CIFAR10"
    assert cfg.visualizer.vis_backends[0].type == "TensorboardVisBackend"
    assert cfg.model == changed(path).model  # with the scopes of its types
    with pytest.raises(HCSCError, match=r"did you mean model.head.loss.loss_weight"):
        changed(path, model__head__loss__loss_wieght="2")


HOSTILE = [
    "it's",
    'say "x"',
    "a=b=c",
    "été/写真",
    "two\nlines",
    "a\\n",
    "{x}",
    "#5",
    " a ",
    "$HOME",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_reaches_its_place_and_comes_back_from_the_dumped_config(text, tmp_path):
    (tmp_path / "x.py").write_text("root = 'data'\nload_from = root\nwork_dir = 'y'\n")
    cfg = changed(tmp_path / "x.py", root=text, work_dir=text)
    assert (cfg.root, cfg.load_from, cfg.work_dir) == (text, text, text)
    cfg.dump(str(tmp_path / "dumped.py"))
    assert changed(tmp_path / "dumped.py").to_dict() == cfg.to_dict()


@pytest.mark.parametrize("suffix", ["py", "json", "yaml"])
def test_places_of_a_dumped_config_are_changed_and_its_names_refused_with_the_place(
    suffix, tmp_path
):
    cfg = load_config(str(DIGITS), {"max_epochs": "20", "batch_size": "32"})
    dumped = tmp_path / f"dumped.{suffix}"
    cfg.dump(str(dumped))
    again = changed(dumped, train_cfg__max_epochs="30")
    assert (again.train_cfg.max_epochs, again.train_dataloader.batch_size) == (30, 32)
    with pytest.raises(
        HCSCError, match=r"follows from max_epochs; name the place: train_cfg.max_e"
    ):
        changed(dumped, max_epochs="30")


def test_a_run_from_the_dumped_config_is_the_run_itself(tmp_path):
    options = {
        **{key: str(value) for key, value in TINY.items() if "batch_size" not in key},
        "train_cfg.max_epochs": "2",
        "batch_size": "20",
        "lr": "0.05",
        "work_dir": str(tmp_path / "first"),
        "experiment_name": f"{tmp_path.name}_first",
        "log_level": "WARNING",
        "launcher": "none",
    }
    runner, record = train(load_config(str(DIGITS), options))
    assert runner.optim_wrapper.optimizer.param_groups[0]["initial_lr"] == 0.05
    dumped = load_config(str(tmp_path / "first" / DIGITS.name))
    dumped.work_dir, dumped.experiment_name = str(tmp_path / "second"), f"{tmp_path.name}_second"
    again, record_of_again = train(dumped)
    assert record.losses == record_of_again.losses and len(record.losses) == 2 * (100 // 20)
    states = [one.model.state_dict() for one in (runner, again)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_checkpoint_says_what_was_changed(tmp_path):
    cfg = load_config(str(DIGITS), {"batch_size": "32", "num_prototypes": "50,10"})
    (tmp_path / "of_meta.py").write_text(cfg.pretty_text)
    text = Config.fromfile(tmp_path / "of_meta.py")
    assert text.train_dataloader.batch_size == text.batch_size == 32
    assert text.num_prototypes == (50, 10)


def test_an_option_that_a_tool_sets_itself_is_refused(family):
    cfg, changes = read_config(str(family), {"work_dir": "a", "train_cfg.val_begin": "2"})
    check_kept(cfg, changes, "--cfg-options ", "the tool")
    cfg.work_dir = "b"
    with pytest.raises(HCSCError, match="--cfg-options work_dir=a: the tool sets work_dir itself"):
        check_kept(cfg, changes, "--cfg-options ", "the tool")


def test_a_place_that_a_flag_took_away_is_named(family):
    cfg, changes = read_config(str(family), {"train_cfg.val_begin": "2"})
    cfg.train_cfg = None
    with pytest.raises(HCSCError, match=r"train_cfg.val_begin contradict the other flags"):
        merge_options(cfg, changes)


def test_reading_with_changes_leaves_mmengine_as_it_was(family):
    before = Config.fromfile(family).to_dict()
    read_with(str(family), {"length": 50})
    with pytest.raises(TypeError):
        read_with(str(family), {"length": "no number"})
    assert Config.fromfile(family).to_dict() == before


def test_the_whole_text_of_the_file_stays_with_the_config(family):
    cfg = changed(family, length="10")
    assert cfg.filename == str(family) and "length = 4" in cfg.text
    assert ast.parse(cfg.pretty_text)
