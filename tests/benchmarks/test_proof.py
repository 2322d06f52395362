"""The proof's images and its page."""

from __future__ import annotations

import gzip
import json
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image
from small_grids import write_grid
from tiny import ROOT

from hcsc_mm.compare import cells_of, read_grid, save_comparison

sys.path.insert(0, str(ROOT / "benchmarks"))

import no_collapse
import proof
import proof_data


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


@pytest.mark.parametrize("run", [False, True])
def test_the_page_has_the_table_and_says_when_and_where(run, tmp_path):
    grid_path = write_grid(tmp_path / "small.py", title="Small")
    grid, out = read_grid(str(grid_path)), tmp_path / "results/small"
    if run:
        cell = next(cells_of(grid))
        facts = {
            "cell": cell.name,
            "inputs": cell.inputs(),
            "scores": {"knn": 91.5},
            "seconds": 1800.0,
            "collapsed": False,
            "date": "2026-01-02 03:04",
            "commit": "abc",
            "machine": "2 cores",
            "versions": {"torch": "2"},
        }
        out.mkdir(parents=True)
        (out / f"{cell.name}.json").write_text(json.dumps(facts))
        save_comparison(grid, {"digits": {"mocov2": [facts]}}, out)
    text = proof.page(tmp_path / "results", {"cpu": str(grid_path)})
    assert text.startswith("# Results\n")
    assert "| grocery " in text and "not run yet" in text
    if not run:
        assert "# Small\n\nNo cell has been run yet.\n\n# Any folder\n" in text
        return
    assert "| `mocov2` | 1     | 91.5" in text and "| `hcsc`   | 0     |" in text
    assert "1 cells, 2026-01-02 03:04 to 2026-01-02 03:04 UTC, 0.5 hours of training" in text
    assert "commits abc; machines: 2 cores; torch 2." in text


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
