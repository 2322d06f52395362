"""``hcsc_mm::NAME`` is a config of this package, wherever that is installed."""

import pytest
from mmengine.config import Config
from tiny import DIGITS

from hcsc_mm import installed
from hcsc_mm.installed import config_file, config_name, configs_folder, tool_command
from hcsc_mm.runtime.command_line import default_work_dir
from hcsc_mm.stages.plan import stages_of


@pytest.mark.parametrize(
    "written", ['"hcsc_mm::hcsc_r18_digits.py"', '["hcsc_mm::hcsc_r18_digits.py"]']
)
def test_inherited_config_is_the_one_beside_which_it_lies(tmp_path, written):
    mine = tmp_path / "mine.py"
    mine.write_text(f"_base_ = {written}\n")
    original = Config.fromfile(configs_folder() / DIGITS.name)
    assert Config.fromfile(mine).to_dict() == original.to_dict()


def test_pieces_in_folders_are_inherited_and_their_variables_need_no_scope(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        '_base_ = ["hcsc_mm::_base_/models/hcsc_r50.py"]\nbackbone = _base_.model.backbone\n'
    )
    cfg = Config.fromfile(mine)
    assert cfg.backbone == cfg.model.backbone
    assert "_scope_" not in cfg.backbone


def test_stages_of_a_config_elsewhere_may_be_the_packages(tmp_path):
    config = tmp_path / "mine.py"
    cfg = Config(dict(stages=["hcsc_mm::benchmarks/knn_digits.py"]))
    (stage,) = stages_of(cfg, str(config))
    assert stage.name == "knn_digits"
    assert stage.config == str(configs_folder() / "benchmarks/knn_digits.py")


def test_name_of_the_work_folder_is_the_configs():
    assert default_work_dir(config_file("hcsc_mm::hcsc_r18_digits.py")) == default_work_dir(
        str(DIGITS)
    )


def test_any_other_path_stands_for_itself():
    assert config_file("configs/mmpretrain::x.py") == "configs/mmpretrain::x.py"


def test_config_that_the_package_does_not_have_is_named(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text('_base_ = "hcsc_mm::gone.py"\n')
    with pytest.raises(FileNotFoundError, match=r"configs/gone\.py"):
        Config.fromfile(mine)


def test_commands_that_are_shown_are_those_of_a_clone_or_of_an_installation(tmp_path, monkeypatch):
    monkeypatch.chdir(DIGITS.parents[1])
    assert tool_command("build_tree") == "python tools/build_tree.py"
    assert config_name(str(DIGITS)) == "configs/hcsc_r18_digits.py"
    inside = tmp_path / "hcsc_mm/.mim/configs"
    monkeypatch.setattr(installed, "configs_folder", lambda: inside)
    assert tool_command("build_tree") == "hcsc build-tree"
    assert config_name(str(inside / "benchmarks/knn_digits.py")) == (
        "hcsc_mm::benchmarks/knn_digits.py"
    )
    assert config_name(str(tmp_path / "mine.py")) == str(tmp_path / "mine.py")
