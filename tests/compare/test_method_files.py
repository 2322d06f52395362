"""A method's config, and those that it stands on, on another data set's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from small_grids import MOCO
from tiny import DIGITS, ROOT

from hcsc_mm import HCSCError
from hcsc_mm.compare.method_files import method_files, write_method

CONTRAST = """
model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=_base_.model.head.temperature,
        contrast=dict(type="hcsc_mm.HardestNegatives", share=0.25),
    ),
)
default_hooks = dict(clustering=None)
"""


def on_data(method, folder, data=None):
    """The config of a method on a data set's, which is the digits' with another temperature."""
    if data is None:
        data = folder / "data.py"
        data.write_text(f"_base_ = [{str(DIGITS)!r}]\nmodel = dict(head=dict(temperature=0.07))\n")
    place = folder / "cells"
    place.mkdir()
    write_method(None if method is None else str(method), data, place / "digits-m-0.py")
    return Config.fromfile(place / "digits-m-0.py").to_dict()


def below(folder, name, base, text=""):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"_base_ = [{str(base)!r}]\n{text}")
    return path


def test_a_method_on_another_is_as_if_all_of_it_stood_in_its_own_file(tmp_path):
    """Also what is derived: the temperature is the data's, 0.07, and not the 0.2 of the digits."""
    apart, one = tmp_path / "apart", tmp_path / "one"
    apart.mkdir(), one.mkdir()
    whole = below(one, "whole.py", DIGITS, CONTRAST)
    found = on_data(ROOT / "configs" / "hard_r18_digits.py", apart)
    assert found == on_data(whole, one)
    assert found["model"]["head"]["temperature"] == 0.07
    assert found["model"]["head"]["contrast"]["share"] == 0.25


def test_methods_stand_on_each_other_through_any_number_of_files_each_in_a_folder_of_its_own(
    tmp_path,
):
    first = below(tmp_path, "a/first.py", MOCO, "model = dict(momentum=0.5)\n")
    below(tmp_path, "b/second.py", "../a/first.py", "model = dict(queue_len=128)\n")
    third = below(tmp_path, "third.py", "b/second.py", "model = dict(queue_len=256)\n")
    assert [path.name for path in method_files(str(third))][:3] == [
        "third.py",
        "second.py",
        "first.py",
    ]
    model = on_data(third, tmp_path)["model"]
    assert model["type"] == "hcsc_mm.MomentumContrast"
    assert (model["momentum"], model["queue_len"], model["head"]["temperature"]) == (0.5, 256, 0.07)
    assert first.read_text().startswith(f"_base_ = [{MOCO!r}]")  # as it was


def test_the_data_comes_in_the_place_of_the_first_hcsc_config_and_not_of_what_that_stands_on(
    tmp_path,
):
    hcsc = below(tmp_path, "hcsc.py", DIGITS, "model = dict(queue_len=64)\n")
    method = below(tmp_path, "method.py", hcsc, "model = dict(momentum=0.5)\n")
    assert method_files(str(method)) == [method]
    model = on_data(method, tmp_path)["model"]
    assert (model["queue_len"], model["momentum"]) == (512, 0.5)


def test_the_files_are_found_from_a_relative_folder(tmp_path, monkeypatch):
    """As that of a cell, which is below the folder that the call is made from."""
    monkeypatch.chdir(tmp_path)
    Path("cell").mkdir()
    Path("cell/digits.py").write_text(f"_base_ = [{str(DIGITS)!r}]\n")
    hard = str(ROOT / "configs" / "hard_r18_digits.py")
    write_method(hard, Path("cell/digits.py"), Path("cell/digits-m-0.py"))
    cfg = Config.fromfile("cell/digits-m-0.py")
    assert cfg.model.head.contrast.share == 0.25 and cfg.model.queue_len == 512


def test_a_method_stands_on_one_of_the_package(tmp_path):
    method = below(tmp_path, "m.py", "hcsc_mm::mocov2_r18_digits.py", "model = dict(momentum=0.5)")
    model = on_data(method, tmp_path)["model"]
    assert (model["type"], model["momentum"]) == ("hcsc_mm.MomentumContrast", 0.5)


def test_without_a_config_of_its_own_a_method_is_the_datas(tmp_path):
    assert on_data(None, tmp_path, DIGITS) == Config.fromfile(DIGITS).to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "model = dict(type='hcsc_mm.MomentumContrast')\n",
        "_base_ = []\n",
        f"_base_ = [{MOCO!r}, 'piece.py']\n",
        f"_base_ = [\n    {MOCO!r},\n]\n",
    ],
    ids=["none", "empty", "two", "several lines"],
)
@pytest.mark.parametrize("between", [False, True])
def test_a_method_that_names_no_single_base_in_one_line_is_refused(between, text, tmp_path):
    """Also one in between, whose other bases would be lost."""
    (tmp_path / "piece.py").write_text("find_unused_parameters = True\n")
    own = tmp_path / "own.py"
    own.write_text(text)
    method = below(tmp_path, "method.py", own) if between else own
    with pytest.raises(HCSCError, match=r"own\.py must have one line '_base_ = \[\.\.\.\]'"):
        method_files(str(method))


@pytest.mark.parametrize("base", ["gone.py", "hcsc_mm::gone.py", "method.py", "wrong.py"])
def test_a_base_that_cannot_be_read_is_refused_in_one_line(base, tmp_path):
    (tmp_path / "wrong.py").write_text("model = dict(\n")
    method = below(tmp_path, "method.py", base)
    with pytest.raises(
        HCSCError, match=r"method\.py stands on .*, which cannot be read: \w"
    ) as info:
        method_files(str(method))
    assert "\n" not in str(info.value)
