"""The text of a config is mmengine's, whenever it is asked for."""

import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from tiny import ROOT, tiny_config, train


def of_mmengine(cfg):
    return Config.pretty_text.fget.__wrapped__(cfg)


@pytest.mark.parametrize(
    "change",
    [
        lambda cfg: cfg.merge_from_dict({"optim_wrapper.optimizer.lr": 0.25}),
        lambda cfg: cfg.merge_from_dict({"model.neck.num_layers": 1.0}),  # as the whole number 1
        lambda cfg: cfg.merge_from_dict({"model.neck.num_layers": True}),
        lambda cfg: cfg.model.pop("neck"),
        lambda cfg: cfg.default_hooks.clustering.update(num_prototypes=[12, 6, 3]),  # was a tuple
    ],
    ids=["value", "float", "bool", "less", "list"],
)
def test_a_config_that_has_changed_has_another_text(tmp_path, change):
    cfg = tiny_config(tmp_path, model__neck__num_layers=1)
    before = cfg.pretty_text
    assert before == of_mmengine(cfg) == cfg.pretty_text
    change(cfg)
    assert cfg.pretty_text == of_mmengine(cfg) != before


@pytest.mark.parametrize(
    "name",
    ["hcsc_r50_200e_in1k", "hcsc_r18_200e_folder", "benchmarks/linear_in1k", "pcl_r18_digits"],
)
def test_the_texts_of_the_entries_are_the_text_of_the_config(name):
    cfg = Config.fromfile(ROOT / "configs" / f"{name}.py")
    assert cfg.pretty_text == of_mmengine(cfg)


@pytest.mark.parametrize("formatted", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"b": {"no name": [1, dict(c=None)]}, "a": "x\ny", "B": (), "long": list(range(60))},
        {"kind": dict(type=torch.nn.Linear), "empty": {}, "of_one": (1,)},
    ],
    ids=["nothing", "nested", "types"],
)
def test_unusual_entries_have_mmengines_text_too(content, formatted):
    cfg = Config(content, format_python_code=formatted)
    assert cfg.pretty_text == of_mmengine(cfg)


def test_entries_without_a_name_have_mmengines_text_too():
    cfg = Config({"a": 1, "no name": dict(b=2)}, format_python_code=False)
    assert cfg.pretty_text == of_mmengine(cfg)


def test_the_oldest_of_many_texts_are_forgotten_and_made_again():
    configs = [Config(dict(number=number)) for number in range(500)]
    for _ in range(2):
        assert [cfg.pretty_text for cfg in configs] == [f"number = {n}\n" for n in range(500)]


def test_every_checkpoint_and_the_copy_in_the_work_folder_hold_the_whole_text(tmp_path):
    cfg = tiny_config(tmp_path, train_cfg__max_epochs=2)
    runner, _ = train(cfg)
    text = of_mmengine(runner.cfg)
    for epoch in (1, 2):
        saved = torch.load(tmp_path / f"epoch_{epoch}.pth", weights_only=True)
        assert saved["meta"]["cfg"] == text
    assert (tmp_path / "hcsc_r18_digits.py").read_text() == text


@pytest.mark.parametrize("content", [b"", b"no pickle"], ids=["empty", "broken"])
def test_grammar_files_that_a_killed_process_left_behind_are_made_anew(tmp_path, content):
    code = (
        "from mmengine.config import Config\n"
        "from hcsc_mm.runtime.config_text import lay_out_configs_once\n"
        "lay_out_configs_once()\n"
        "assert Config(dict(a=1)).pretty_text == 'a = 1\\n'"
    )

    def lay_out():
        command = [sys.executable, "-c", code]
        subprocess.run(command, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)}, check=True)

    lay_out()
    grammars = sorted(tmp_path.rglob("*.pickle"))
    sizes = [path.stat().st_size for path in grammars]
    assert len(grammars) == 2
    for path in grammars:
        path.write_bytes(content)
    lay_out()
    assert [path.stat().st_size for path in grammars] == sizes
