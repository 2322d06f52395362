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
from hcsc_mm.compare.table import gains, markdown, shown_gain, summarise

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
        "| method   | seeds | kNN, %     | AMI, 4 clusters | seconds |     |\n"
        "| -------- | ----- | ---------- | --------------- | ------- | --- |\n"
        "| `mocov2` | 2     | 92.0 ± 2.8 | 0.600 ± 0.141   | 12      |     |\n"
        "| `hcsc`   | 1     | 95.0       | 0.800           | 10      |     |\n"
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


def test_a_run_that_was_paused_does_not_tell_the_time():
    results = {"digits": {"hcsc": [cell(80.0, 0.4, 10), cell(80.0, 0.4, 4000), cell(80.0, 0.4, 9)]}}
    small = grid("hcsc")
    assert rows(markdown(small, summarise(small, results)))["hcsc"][3] == "10"


def test_pairs_that_the_grid_leaves_out_are_no_rows():
    small = replace(grid("hcsc", "mocov2", data=("a", "b")), pairs=(("a", "hcsc"), ("b", "mocov2")))
    found = summarise(small, {})
    assert {data: list(methods) for data, methods in found.items()} == {
        "a": ["hcsc"],
        "b": ["mocov2"],
    }


def heads(line):
    return [head.strip() for head in line.strip("|").split("|")]


def test_finer_levels_stand_first_and_classes_before_coarse_ones():
    scores = {f"features/{level}_{k}/ami": 0.5 for level, k in ((10, 2), (2, 3))}
    scores |= {f"features/2_3/coarse/{what}": 0.5 for what in ("ami", "purity")}
    scores |= {f"features/{kind}dendrogram_purity": 0.5 for kind in ("coarse/", "")}
    small = grid("hcsc")
    text = markdown(small, summarise(small, {"digits": {"hcsc": [cell(1.0, 0.1, **scores)]}}))
    assert heads(text.splitlines()[4])[2:-2] == [
        "kNN, %",
        "AMI, 4 clusters",
        "AMI, 3 clusters",
        "AMI, 2 clusters",
        "dendrogram purity",
        "coarse AMI, 3 clusters",
        "coarse dendrogram purity",
    ]


def test_own_clusters_and_yardsticks_have_tables_of_their_own():
    """As many clusters stand in one column, whatever the level: 12 is the second one's of b."""
    own = {
        "a": {"own/0_12/ami": 0.1, "own/1_4/ami": 0.2},
        "b": {"own/0_60/ami": 0.3, "own/1_12/ami": 0.4},
        "c": {"flat/12/ami": 0.5, "flat/3/ami": 0.6, "ward/12/ami": 0.7},
    }
    small = grid(*own)
    results = {"digits": {name: [cell(90.0, 0.5, **scores)] for name, scores in own.items()}}
    text = markdown(small, summarise(small, results))
    main, further = text.split("The method's own clusters, of its last clustering:\n\n")
    own_text, yardsticks = further.split("Yardsticks, on the same features:\n\n")
    assert rows(main) == {name: ["1", "90.0", "0.500", "10", ""] for name in "abc"}
    titles = [f"AMI, {number} clusters" for number in (60, 12, 4)]
    assert heads(own_text.splitlines()[0]) == ["method", *titles]
    assert rows(own_text) == {"a": ["–", "0.100", "0.200"], "b": ["0.300", "0.400", "–"]}
    titles = ["flat AMI, 12 clusters", "flat AMI, 3 clusters", "Ward AMI, 12 clusters"]
    assert heads(yardsticks.splitlines()[0]) == ["method", *titles]
    assert rows(yardsticks) == {"c": ["0.500", "0.600", "0.700"]}


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


def test_a_comparison_of_cells_of_several_machines_says_so():
    small = replace(grid("mocov2", "hcsc"), differences=(("hcsc", "mocov2"),))
    ran = {"mocov2": {**named("digits-mocov2-0", 90.0), "machine": "8 cores"}}
    for machine, listed in (("8 cores", None), ("2 cores", "(2 cores; 8 cores)")):
        ran["hcsc"] = {**named("digits-hcsc-0", 91.0), "machine": machine}
        results = {"digits": {method: [cell] for method, cell in ran.items()}}
        text = markdown(small, summarise(small, results), results)
        assert ("several machines" in text) is (listed is not None)
        assert listed is None or listed in text


def test_differences_are_of_methods_that_the_data_set_has():
    results = {
        "digits": {name: [named(f"digits-{name}-0", 90.0)] for name in ("hcsc", "mocov2", "swav")}
    }
    small = replace(
        grid("mocov2", "swav", "hcsc"),
        differences=(("hcsc", "mocov2"), ("hcsc", "swav")),
        pairs=(("digits", "hcsc"), ("digits", "mocov2")),
    )
    text = markdown(small, summarise(small, results), results)
    assert "`hcsc` − `mocov2`" in text and "`hcsc` − `swav`" not in text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((2.0,), "+2.0"),  # of one seed no spread is known
        ((3.0, 5.0), "+4.0 ± 1.4"),  # 12.7 · 1.4 / √2 = 12.7 reaches beyond 0
        ((3.9, 4.1), "**+4.0 ± 0.1**"),  # 12.7 · 0.14 / √2 = 1.3 does not
        ((-1.0, -1.2, -1.4), "**−1.2 ± 0.2**"),  # 4.30 · 0.2 / √3 = 0.5
        ((-1.0, -1.2, 0.4), "−0.6 ± 0.9"),
    ],
)
def test_a_difference_is_bold_where_its_interval_leaves_out_nought(values, text):
    results = {
        "hcsc": [named(f"digits-hcsc-{seed}", 90 + v) for seed, v in enumerate(values)],
        "mocov2": [named(f"digits-mocov2-{seed}", 90.0) for seed in range(len(values))],
    }
    assert shown_gain(gains(results, "hcsc", "mocov2")["knn"], "knn") == text


def test_each_data_set_has_a_table_of_its_own_with_the_columns_that_it_has():
    small = grid("hcsc", data=("digits", "coins"))
    results = {
        "digits": {"hcsc": [cell(95.0, 0.8)]},
        "coins": {"hcsc": [cell(70.0, 0.3, **{"linear": 75.0, "own/dendrogram_purity": 0.4})]},
    }
    _, digits, coins = markdown(small, summarise(small, results)).split("## ")
    assert digits.startswith("digits\n") and "linear" not in digits
    assert coins.startswith("coins\n") and "own clusters" in coins
    assert "| kNN, % | linear, % | AMI, 4 clusters | seconds" in coins


def test_data_sets_of_which_nothing_has_run_are_one_line():
    small = grid("hcsc", data=("digits", "coins", "birds"))
    text = markdown(small, summarise(small, {"coins": {"hcsc": [cell(70.0, 0.3)]}}))
    assert text.count("## ") == 1 and text.endswith("\nNot run yet: digits, birds.\n")


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
    assert inked(picture) > 300  # pixels of dots, in two panels


def inked(picture):
    return (np.abs(picture.astype(int) - (0x48, 0x78, 0xA8)) < 8).all(axis=2).sum()


def size_of_picture(folder, results, data):
    save_comparison(grid("hcsc", "later", data=data), results, folder)
    return Image.open(folder / "comparison.png").size


def test_the_picture_has_the_data_sets_with_scores_and_no_others(tmp_path):
    """It is as high with one of seven run as with this one alone."""
    names, one = tuple("abcdefg"), {"c": {"hcsc": [cell(90.0, 0.5), cell(94.0, 0.7)]}}
    alone = size_of_picture(tmp_path / "1", one, ("c",))
    assert size_of_picture(tmp_path / "2", one, names) == alone
    all_of_them = dict.fromkeys(names, one["c"])
    assert size_of_picture(tmp_path / "3", all_of_them, names)[1] == pytest.approx(
        7 * alone[1], abs=10
    )


def test_a_grid_of_which_nothing_has_run_says_so_in_its_table_and_its_picture(tmp_path):
    text = save_comparison(grid("hcsc"), {}, tmp_path)
    assert text == "# Small\n\nNot run yet: digits.\n"
    picture = np.asarray(Image.open(tmp_path / "comparison.png").convert("L"))
    assert picture.shape[1] > 500 and (picture < 128).any()  # words
