"""The proof's images and its page."""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_grids import MOCO, data_entry, write_grid
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.compare import cells_of, read_grid
from hcsc_mm.compare.cells import collect

sys.path.insert(0, str(ROOT / "benchmarks"))

import no_collapse
import proof
import proof_data
import proof_summary


def test_fashion_is_written_as_images_and_lists(tmp_path, monkeypatch):
    monkeypatch.setattr(proof_data, "_FASHION_TRAINED", 2)
    pixels = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
    for part in ("train", "t10k"):
        images, labels = bytes(16) + pixels.tobytes(), bytes(8) + bytes([7, 0, 9])
        for name, content in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
    proof_data.write_fashion(tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "out")
    assert (tmp_path / "out/train.txt").read_text() == "train/00000.png, 7\ntrain/00001.png, 0\n"
    assert len((tmp_path / "out/test.txt").read_text().splitlines()) == 3
    assert (np.asarray(Image.open(tmp_path / "out/test/00002.png")) == pixels[2]).all()


def test_omniglots_unseen_characters_are_parted_by_their_drawers(tmp_path):
    drawn = np.zeros((6, 105, 105), np.uint8)
    drawn[:, 52] = 1
    np.savez(
        tmp_path / "omniglot.npz",
        images_packed=np.packbits(drawn, axis=-1),
        fine=[3, 3, 5, 5, 8, 8],
        coarse=[0, 0, 1, 1, 2, 2],
        drawer=[1, 11, 2, 20, 10, 11],
        split=[0, 0, 1, 1, 1, 1],
    )
    proof_data.write_omniglot(tmp_path / "omniglot.npz", tmp_path / "out")
    lines = {
        part: (tmp_path / f"out/{part}.txt").read_text().splitlines()
        for part in ("train", "gallery", "query")
    }
    assert lines["train"] == ["train/00/0003_01.png, 0, 0", "train/00/0003_11.png, 0, 0"]
    assert lines["gallery"] == ["test/01/0005_02.png, 0, 0", "test/02/0008_10.png, 1, 1"]
    assert lines["query"] == ["test/01/0005_20.png, 0, 0", "test/02/0008_11.png, 1, 1"]
    assert Image.open(tmp_path / "out/test/01/0005_02.png").size == (28, 28)


def test_what_is_there_stays_and_what_is_missing_is_said(tmp_path, capsys):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    (tmp_path / "test.txt").write_text("photo.jpg, 0\n")
    (tmp_path / "coins").mkdir()
    with tarfile.open(tmp_path / "coins/coins_128.tar", "w") as archive:
        for name in ("photo.jpg", "test.txt"):
            archive.add(tmp_path / name, arcname=name)
    out = tmp_path / "out"
    (out / "lite0.pth").parent.mkdir()
    (out / "lite0.pth").write_bytes(b"x")
    proof_data.prepare(tmp_path, out)
    assert "grocery is left out: there is no" in capsys.readouterr().err
    written = (out / "coins/photo.jpg").stat().st_mtime_ns
    proof_data.prepare(tmp_path, out)
    assert (out / "coins/photo.jpg").stat().st_mtime_ns == written


def facts(cell, knn, **more):
    return {
        "cell": cell.name,
        "inputs": cell.inputs(),
        "scores": {"knn": knn, **more},
        "seconds": 1800.0,
        "collapsed": False,
        "date": "2026-01-02 03:04",
        "commit": "abc",
        "machine": "2 cores",
        "versions": {"torch": "2"},
    }


@pytest.mark.parametrize("run", [False, True])
def test_the_page_has_the_table_and_says_when_and_where(run, tmp_path):
    data = dict(small=data_entry(), later=data_entry())
    grid_path = write_grid(tmp_path / "small.py", title="Small", data=data)
    grids = {"gpu": str(grid_path)}
    cell, out = next(cells_of(read_grid(str(grid_path)))), tmp_path / "results/small"
    if run:
        out.mkdir(parents=True)
        (out / f"{cell.name}.json").write_text(json.dumps(facts(cell, 91.5)))
    found = proof.read_all(tmp_path / "results", grids)
    text = proof.page(found, tmp_path / "results", grids)
    assert text.startswith("# Results\n")
    assert "\nNot run yet: grocery, coins, " in text and "| grocery " not in text
    if not run:
        assert "# Small\n\nNo cell has been run yet.\n\n# Any folder\n" in text
        return
    assert "| `mocov2` | 1     | 91.5" in text and "| `hcsc`   | 0     |" in text
    assert "\nNot run yet: later.\n" in text
    assert "1 cells, 2026-01-02 03:04 to 2026-01-02 03:04 UTC, 0.5 hours of training" in text
    assert "commits abc; machines: 2 cores; torch 2." in text
    assert (out / "comparison.png").is_file() and "results/small/comparison.png" in text


# In short


@pytest.fixture
def short(tmp_path):
    """HCSC 2 and 4 points above MoCo v2 on the digits, and 0.01 and 0.0102 in AMI."""
    methods = dict(mocov2=dict(config=MOCO), hcsc_paper=dict())
    pairs = [("hcsc_paper", "mocov2")]
    path = write_grid(tmp_path / "small.py", methods=methods, differences=pairs)
    grid = replace_levels(read_grid(str(path)))
    results = {"digits": {"mocov2": [], "hcsc_paper": []}}
    for cell in (one for one in cells_of(grid) if one.data == "digits"):
        ahead = cell.method == "hcsc_paper"
        knn = 90.0 + ahead * (2 + 2 * cell.seed)
        more = {"features/1_10/ami": 0.7 + ahead * (0.01 + 0.0002 * cell.seed)}
        results["digits"][cell.method].append(facts(cell, knn, **more))
    return grid, results


def replace_levels(grid):
    """As many clusters as there are digits on level 1; and coins, which have not been run."""
    digits, coins = (
        replace(grid.data["digits"], num_clusters=numbers) for numbers in ((60, 10), (64, 8, 3))
    )
    return replace(grid, data={"digits": digits, "coins": coins})


def test_what_it_gives_is_one_row_for_each_data_set_that_has_been_run(short):
    lines = proof_summary.readme_block(*short).splitlines()
    assert lines[0] == proof_summary.BEGIN and lines[-1] == proof_summary.END
    (row,) = (line for line in lines if line.startswith("| digits"))
    assert [part.strip() for part in row.strip("|").split("|")] == [
        "digits",
        "–",
        "90.0 ± 0.0 · 0.70 ± 0.00 (2)",
        *["–"] * 3,
        "93.0 ± 1.4 · 0.71 ± 0.00 (2)",
    ]
    assert not any("coins" in line for line in lines)


def test_a_failed_and_a_collapsed_seed_are_said(short):
    grid, results = short
    peers, ours = results["digits"]["mocov2"], results["digits"]["hcsc_paper"]
    peers[1] |= {"scores": {}, "error": "broke down"}
    for seed in ours:
        seed |= {"scores": {}, "collapsed": True}
    (row,) = (s for s in proof_summary.readme_block(grid, results).splitlines() if "90.0" in s)
    assert "| 90.0 · 0.70 (1 of 2) " in row and "| collapsed " in row


def test_differences_to_the_peers_say_what_the_seeds_support(short):
    """3 ± 1.4 of two seeds is open, and 0.0101 ± 0.0001 is not: 12.7 · 0.00014 / √2 = 0.0013."""
    text = "\n".join(proof_summary.against_peers(*short))
    assert "| digits | +3.0 ± 1.4 (2) " in text
    assert "| **+0.010 ± 0.000** (2) |" in text
    words = """Of 2 differences from MoCo v2 and PCL v2 (kNN, AMI, dendrogram purity) the seeds
support 1 as a gain of HCSC and 0 as a loss; 1 stay open."""
    assert text.rstrip().endswith(words)
    assert proof_summary.readme_block(*short).endswith(f"\n\n{words}\n{proof_summary.END}")


def test_hcsc_against_hcsc_is_no_difference_from_a_peer(short):
    grid, results = short
    with_rules = replace(grid, differences=(*grid.differences, ("hcsc_paper", "hcsc_paper")))
    assert proof_summary.against_peers(with_rules, results) == proof_summary.against_peers(*short)


@pytest.mark.parametrize("begin", [proof_summary.BEGIN, proof_summary.BEGIN_ROWS])
def test_a_block_is_replaced_and_the_rest_stays(begin, tmp_path):
    other = f"<!-- other -->\nold\n{proof_summary.END}"
    path, block = tmp_path / "README.md", f"{begin}\nnew\n{proof_summary.END}"
    path.write_text(f"# A\n\n{other}\n{begin}\nold\n{proof_summary.END}\n\nrest\n{other}\n")
    proof_summary.write_block(block, path)
    assert path.read_text() == f"# A\n\n{other}\n{block}\n\nrest\n{other}\n"
    for text in ("# A\n", f"{proof_summary.END}\n{begin}\n", f"{begin}\n{block}\n"):
        path.write_text(text)
        with pytest.raises(HCSCError, match=r"README\.md must have the line"):
            proof_summary.write_block(block, path)
        assert path.read_text() == text


def test_every_neighbour_has_a_row_of_both_data_sets(short):
    grid, results = short
    lines = proof_summary.methods_block(grid, results).splitlines()
    assert lines[0] == proof_summary.BEGIN_ROWS and lines[-1] == proof_summary.END
    assert [part.strip() for part in lines[1].strip("|").split("|")] == ["row", "digits", "coins"]
    rows = {line.split("`")[1]: line for line in lines[3:-1]}
    assert list(rows) == list(grid.methods)
    assert "| 90.0 ± 0.0 · 0.70 ± 0.00 (2) " in rows["mocov2"]


@pytest.mark.parametrize(
    ("scale", "make", "page"),
    [
        ("cpu", proof_summary.readme_block, "README.md"),
        ("neighbours", proof_summary.methods_block, "docs/methods.md"),
    ],
)
def test_the_pages_say_what_the_results_give(scale, make, page, monkeypatch):
    """After new results: python benchmarks/proof.py --readme"""
    monkeypatch.chdir(ROOT)
    grid = read_grid(proof.GRIDS[scale])
    out, *others = proof.folders(scale)
    block = make(grid, collect(grid, out, others))
    assert block in (ROOT / page).read_text(encoding="utf-8")
    assert scale != "cpu" or len(block.splitlines()) <= 20


LOG = """
11/29 10:00:00 - mmengine - INFO - a recipe for 1,040 images with a median side of 128 pixels
11/29 10:00:00 - mmengine - INFO - 1,000 steps of 64 images will take at most about 14 min: twice
epoch 3/20, step 8/10; loss 5.3; spread 0.18; rank 29 of 128; 2.8 s a step
  health      spread 0.91, rank 26 of 128
"""


def test_what_a_run_on_any_folder_came_to_is_read_from_its_log(tmp_path):
    found = no_collapse.read_log(LOG)
    assert found == {
        "images": 1040,
        "announced": "14 min",
        "collapse": None,
        "spread": 0.91,
        "rank": 26,
        "of": 128,
    }
    collapse = "Collapse in epoch 3, iteration 20: the embeddings are close to all equal"
    stopped = {**found, "collapse": collapse, "exit_code": 1}
    for seed, cell in enumerate([{**found, "exit_code": 0}, {**found, "rank": 25}, stopped]):
        facts = {"exit_code": 0, **cell, "seed": seed, "seconds": 60.0 * seed}
        (tmp_path / f"coins-{seed}.json").write_text(json.dumps(facts))
    row = next(line for line in no_collapse.table(tmp_path).splitlines() if "| coins" in line)
    assert [part.strip() for part in row.strip("|").split("|")] == [
        "coins",
        "1,040",
        "0, 1, 2",
        "0.91, 0.91, 0.91",
        "26 of 128, 25 of 128, 26 of 128",
        "0 of 14 min, 1 of 14 min, 2 of 14 min",
        "good, poor, stopped",
    ]
    assert no_collapse.read_log("error: there is no folder")["images"] is None
