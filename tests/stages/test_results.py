"""Results on disk and as a table."""

from __future__ import annotations

import json

import pytest

from hcsc_mm import HCSCError
from hcsc_mm.stages.results import Result, save_table, table

KNN = Result(
    "knn_x",
    "configs/knn_x.py",
    "a" * 64,
    "w.pth",
    "b" * 64,
    "2022-06-19 10:00",
    {"knn/top1_k1": 68.0556, "knn/top1_k20": 7.0},
)
CLUSTERS = Result(
    "clustering_x",
    "c.py",
    "c" * 64,
    "w.pth",
    "b" * 64,
    "2022-06-19 10:01",
    {"clustering/9/ami": 0.33333, "clustering/9/ari": -0.1},
)


def test_a_result_comes_back_as_it_was_saved(tmp_path):
    assert Result.load(str(tmp_path)) is None
    KNN.save(str(tmp_path))
    assert Result.load(str(tmp_path)) == KNN


def test_a_damaged_result_is_refused_with_its_path(tmp_path):
    (tmp_path / "result.json").write_text('{"stage": "knn')
    with pytest.raises(HCSCError, match=r"result\.json is damaged.*remove it"):
        Result.load(str(tmp_path))


def test_every_number_stands_in_the_table_beside_config_checkpoint_and_date():
    lines = table([KNN, CLUSTERS]).splitlines()
    assert [len(line) for line in lines] == [len(lines[0])] * 4
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == [
        "knn_x",
        "knn",
        "top1_k1 68.06, top1_k20 7.00",
        "configs/knn_x.py",
        "bbbbbbbb",
        "2022-06-19 10:00",
    ]
    assert cells[3][1:3] == ["clustering/9", "ami 0.3333, ari -0.1000"]


def test_tables_are_saved_as_markdown_and_with_all_digits_as_json(tmp_path):
    save_table([KNN, CLUSTERS], str(tmp_path))
    assert (tmp_path / "results.md").read_text() == table([KNN, CLUSTERS])
    saved = json.loads((tmp_path / "results.json").read_text())
    assert [Result(**one) for one in saved] == [KNN, CLUSTERS]
