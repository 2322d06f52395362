"""What a grid may say, and what it is told about its mistakes."""

from __future__ import annotations

import pytest
from small_grids import MOCO, data_entry, write_grid
from tiny import DIGITS

from hcsc_mm import HCSCError
from hcsc_mm.compare import read_grid
from hcsc_mm.compare.grid import DataEntry, MethodEntry


def test_a_grid_is_what_its_file_says_and_defaults_for_the_rest(tmp_path):
    grid = read_grid(str(write_grid(tmp_path / "grid.py", title="Small")))
    assert (grid.title, grid.seeds, grid.pairs) == ("Small", (0, 1), ())
    assert list(grid.data) == ["digits"] and list(grid.methods) == ["mocov2", "hcsc"]
    assert grid.data["digits"] == DataEntry(**data_entry())
    assert grid.methods["mocov2"] == MethodEntry(config=MOCO)
    assert grid.methods["hcsc"] == MethodEntry()  # the data's config as it is
    assert grid.methods["hcsc"].trains and not grid.methods["hcsc"].yardsticks


def test_a_list_serves_where_the_fields_say_a_tuple(tmp_path):
    path = write_grid(
        tmp_path / "grid.py",
        data=dict(digits=data_entry(num_clusters=[12, 6])),
        seeds=[3],
        pairs=[["digits", "hcsc"]],
    )
    grid = read_grid(str(path))
    assert grid.data["digits"].num_clusters == (12, 6)
    assert grid.seeds == (3,) and grid.pairs == (("digits", "hcsc"),)


def test_a_grid_without_a_title_has_one(tmp_path):
    assert read_grid(str(write_grid(tmp_path / "grid.py"))).title == "Comparison"


def without(name):
    return {key: value for key, value in data_entry().items() if key != name}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(seeds=None), ["has no seeds", "a grid needs data, methods and seeds"]),
        (dict(methods={}), ["has no methods", "a grid needs data, methods and seeds"]),
        (dict(data=None), ["has no data", "a grid needs data, methods and seeds"]),
        (
            dict(methods=dict(hcsc=dict(confg=MOCO))),
            ["hcsc has no 'confg'", "config, options, trains, yardsticks, chain"],
        ),
        (
            dict(methods=dict(mcl=dict(config=MOCO, chain=0))),
            ["mcl: chain=0", "a whole number from 1"],
        ),
        (
            dict(data=dict(digits=data_entry(num_cluster=(3, 2)))),
            ["digits has no 'num_cluster'", "num_clusters"],
        ),
        (dict(data=dict(digits=without("test"))), ["digits", "'test'"]),
        (
            dict(methods=dict(hcsc=dict(config="gone.py"))),
            ["hcsc names gone.py, which does not exist"],
        ),
        (
            dict(data=dict(digits=data_entry(config="gone.py"))),
            ["digits names gone.py, which does not exist"],
        ),
        (
            dict(pairs=(("digits", "hcsc"), ("digits", "hcsk"))),
            ["pairs has (digits, hcsk)", "names no such data or method"],
        ),
        (dict(pairs=(("numbers", "hcsc"),)), ["pairs has (numbers, hcsc)"]),
        (dict(pairs=("digits", "hcsc")), ["pairs must be a list of pairs of names"]),
        (dict(differences=(("hcsc", "byol"),)), ["differences has (hcsc, byol)", "no such method"]),
        (dict(seeds=3), ["seeds=3", "whole numbers, each once"]),
        (dict(seeds=(0, 0)), ["each once"]),
        (dict(methods=["hcsc"]), ["methods must be a dict"]),
        (dict(methods=dict(hcsc=3)), ["hcsc=3 must be a dict"]),
        (dict(methods={"h-c": dict()}), ["methods has 'h-c'", "hyphen"]),
        (dict(data=dict(digits=data_entry(num_clusters=(3, 6)))), ["num_clusters[1]=6"]),
        (dict(data=dict(digits=data_entry(train="x"))), ["train='x' must be a dict"]),
    ],
)
def test_a_mistake_in_a_grid_is_one_line_that_names_the_file_and_what_is_wrong(
    changes, words, tmp_path
):
    path = str(write_grid(tmp_path / "grid.py", **changes))
    with pytest.raises(HCSCError) as caught:
        read_grid(path)
    message = str(caught.value)
    assert "\n" not in message and path in message
    assert all(word in message for word in words), message


def test_a_grid_that_does_not_exist_or_is_no_python_is_one_line(tmp_path):
    with pytest.raises(HCSCError, match=r"there is no config file gone\.py"):
        read_grid("gone.py")
    path = tmp_path / "grid.py"
    path.write_text("data = dict(\n")
    with pytest.raises(
        HCSCError, match=r"cannot read the config .*grid\.py: SyntaxError"
    ) as caught:
        read_grid(str(path))
    assert "\n" not in str(caught.value)


def test_the_grid_of_the_digits_can_be_read_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = read_grid(str(DIGITS.parent / "compare" / "digits.py"))
    assert {"start", "mocov2"} < set(grid.methods) and len(grid.seeds) >= 3


def test_the_neighbours_are_rows_on_the_digits_and_omniglot_with_the_proofs_data_and_peers():
    """So that a cell of both is one cell."""
    neighbours, proof, digits = (
        read_grid(str(DIGITS.parent / "compare" / f"{name}.py"))
        for name in ("neighbours", "proof", "digits")
    )
    assert neighbours.data == {name: proof.data[name] for name in ("digits", "omniglot")}
    assert neighbours.methods | proof.methods == neighbours.methods == digits.methods
    assert neighbours.seeds == proof.seeds and len(proof.seeds) == 3
