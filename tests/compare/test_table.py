"""Tables of cells that were written by hand, whose means and deviations are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hcsc_mm.compare import Grid, save_comparison
from hcsc_mm.compare.grid import DataEntry, MethodEntry
from hcsc_mm.compare.table import markdown, summarise

FINEST = "features/0_4/ami"
BROKEN = "broke down with exit code 1; its traceback is above"


def grid(*methods, data=("digits",), note=""):
    entry = DataEntry("c.py", {}, {}, num_clusters=(4, 2), note=note)
    return Grid(
        dict.fromkeys(data, entry), dict.fromkeys(methods, MethodEntry()), (0, 1), title="Small"
    )


def cell(knn, ami, seconds=10.0, collapsed=False, **more):
    scores = {"knn": knn, FINEST: ami, **more}
    return {"scores": scores, "seconds": seconds, "collapsed": collapsed}


def named(name, knn):
    return {"cell": name, **cell(knn, 0.5)}


def failed(error, collapsed=False):
    return {"scores": {}, "seconds": 0.0, "collapsed": collapsed, "error": error}


def rows(text):
    """Method → its cells, of the only table."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    split = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    return {parts[0].strip("`"): parts[1:] for parts in split}


def test_mean_and_standard_deviation_over_seeds_have_their_closed_forms():
    """Of 90 and 94 the mean is 92 and the deviation of the sample √(2² + 2²) = 2 √2."""
    found = summarise(
        grid("hcsc"), {"digits": {"hcsc": [cell(90.0, 0.5, 10), cell(94.0, 0.7, 14)]}}
    )
    entry = found["digits"]["hcsc"]
    assert entry["seeds"] == 2 and entry["collapsed"] == 0 and entry["failed"] == []
    knn = entry["scores"]["knn"]
    assert knn["mean"] == pytest.approx(92.0) and knn["std"] == pytest.approx(2 * math.sqrt(2))
    assert knn["values"] == [90.0, 94.0]
    ami = entry["scores"][FINEST]
    assert ami["mean"] == pytest.approx(0.6) and ami["std"] == pytest.approx(0.1 * math.sqrt(2))
    assert entry["seconds"]["mean"] == pytest.approx(12.0)


def test_the_table_reads_as_it_is_written_here():
    results = {
        "digits": {"mocov2": [cell(90.0, 0.5, 10), cell(94.0, 0.7, 14)], "hcsc": [cell(95.0, 0.8)]}
    }
    small = grid("mocov2", "hcsc", note="A few scans.")
    assert markdown(small, summarise(small, results)) == (
        "# Small\n"
        "\n"
        "## digits\n"
        "\n"
        "A few scans.\n"
        "\n"
        "| method   | seeds | kNN, %     | features 0_4 ami | seconds |     |\n"
        "| -------- | ----- | ---------- | ---------------- | ------- | --- |\n"
        "| `mocov2` | 2     | 92.0 ± 2.8 | 0.600 ± 0.141    | 12 ± 3  |     |\n"
        "| `hcsc`   | 1     | 95.0       | 0.800            | 10      |     |\n"
    )


def test_no_method_is_left_out_and_every_row_says_what_became_of_it():
    collapse = "Collapse in epoch 3, iteration 20: the embeddings are close to all equal"
    results = {
        "digits": {
            "warned": [cell(11.0, 0.1, collapsed=True), cell(90.0, 0.5)],
            "stopped": [failed(collapse, collapsed=True)],
            "broken": [failed(BROKEN), cell(80.0, 0.4)],
        }
    }
    small = grid("warned", "stopped", "broken", "later")
    found = rows(markdown(small, summarise(small, results)))
    assert list(found) == ["warned", "stopped", "broken", "later"]
    assert found["warned"][-1] == "collapsed in 1 of 2"
    assert found["stopped"][-1] == f"collapsed in 1 of 1; failed: {collapse}"
    assert found["broken"][-1] == f"failed: {BROKEN}"
    assert found["broken"][1] == "80.0"  # what there is, and no spread of a single value
    assert found["later"][-1] == "not run yet"
    assert found["later"][:-1] == ["0", "–", "–", "–"]


def test_a_failed_seed_counts_as_one_and_leaves_the_means_alone():
    results = {"digits": {"hcsc": [failed(BROKEN), cell(80.0, 0.4, 10), cell(82.0, 0.4, 20)]}}
    small = grid("hcsc")
    found = summarise(small, results)
    assert found["digits"]["hcsc"]["seconds"]["mean"] == pytest.approx(15.0)
    assert rows(markdown(small, found))["hcsc"][:2] == ["2 of 3", "81.0 ± 1.4"]


def test_pairs_that_the_grid_leaves_out_are_no_rows():
    small = replace(grid("hcsc", "mocov2", data=("a", "b")), pairs=(("a", "hcsc"), ("b", "mocov2")))
    found = summarise(small, {})
    assert {data: list(methods) for data, methods in found.items()} == {
        "a": ["hcsc"],
        "b": ["mocov2"],
    }


def test_levels_stand_in_the_order_of_their_numbers():
    scores = {f"flat/{number}/ami": 0.5 for number in (12, 6, 3)}
    scores |= {f"own/{level}_9/ami": 0.5 for level in (10, 2)}
    small = grid("hcsc")
    text = markdown(small, summarise(small, {"digits": {"hcsc": [cell(1.0, 0.1, **scores)]}}))
    heads = [head.strip() for head in text.splitlines()[4].strip("|").split("|")]
    assert heads[4:-2] == ["own 2_9 ami", "own 10_9 ami", "flat 3 ami", "flat 6 ami", "flat 12 ami"]


def test_differences_are_those_of_equal_seeds():
    """HCSC minus MoCo v2: 3 and 5 with seeds 0 and 1, mean 4, deviation √2; seed 2 has one only."""
    results = {
        "digits": {
            "hcsc": [named(f"digits-hcsc-{s}", v) for s, v in ((2, 99.0), (0, 93.0), (1, 97.0))],
            "mocov2": [named(f"digits-mocov2-{s}", v) for s, v in ((0, 90.0), (1, 92.0))],
        }
    }
    small = replace(grid("mocov2", "hcsc"), differences=(("hcsc", "mocov2"),))
    text = markdown(small, summarise(small, results), results)
    line = next(line for line in text.splitlines() if line.startswith("| `hcsc` − `mocov2`"))
    assert [part.strip() for part in line.strip("|").split("|")][1:3] == ["2", "+4.0 ± 1.4"]


def test_each_data_set_has_a_table_of_its_own_with_the_columns_that_it_has():
    small = grid("hcsc", data=("digits", "coins"))
    results = {
        "digits": {"hcsc": [cell(95.0, 0.8)]},
        "coins": {"hcsc": [cell(70.0, 0.3, **{"linear": 75.0, "own/dendrogram_purity": 0.4})]},
    }
    _, digits, coins = markdown(small, summarise(small, results)).split("## ")
    assert digits.startswith("digits\n") and "linear" not in digits
    assert coins.startswith("coins\n")
    assert "| kNN, % | linear, % | features 0_4 ami | own dendrogram_purity | seconds" in coins


def test_the_comparison_is_written_as_text_as_numbers_and_as_a_picture(tmp_path):
    small = grid("mocov2", "hcsc", "later")
    results = {"digits": {"mocov2": [cell(90.0, 0.5), cell(94.0, 0.7)], "hcsc": [cell(95.0, 0.8)]}}
    text = save_comparison(small, results, tmp_path / "out")
    assert (tmp_path / "out/comparison.md").read_text(encoding="utf-8") == text
    summary = json.loads((tmp_path / "out/comparison.json").read_text())
    assert summary == json.loads(json.dumps(summarise(small, results)))
    assert summary["digits"]["later"] == {
        "seeds": 0,
        "scored": 0,
        "collapsed": 0,
        "failed": [],
        "seconds": None,
        "scores": {},
    }
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["comparison.json", "comparison.md", "comparison.png"]
    picture = np.asarray(Image.open(tmp_path / "out/comparison.png").convert("RGB"))
    bars = (np.abs(picture.astype(int) - (0x48, 0x78, 0xA8)) < 8).all(axis=2)
    assert bars.mean() > 0.05  # two panels of bars


def test_a_grid_of_which_nothing_has_run_has_a_table_and_an_empty_picture(tmp_path):
    text = save_comparison(grid("hcsc"), {}, tmp_path)
    assert rows(text) == {"hcsc": ["0", "–", "not run yet"]}
    assert Image.open(tmp_path / "comparison.png").size[0] > 500
