"""The first command that anybody runs, on a tiny network."""

import json
import os
import runpy
import subprocess
import sys

import page_files as files
import pytest
from PIL import Image
from tiny import ROOT, TINY

from hcsc_mm.structures import PrototypeHierarchy

METHODS = ["MoCo v2", "PCL", "HCSC"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two seeds of it, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("quick_start")
    changes = {key: value for key, value in TINY.items() if "indices" not in key}
    # all the digits, in few steps; in clusters from the first one on
    changes.update({"train_cfg.max_epochs": 1, "default_hooks.clustering.warmup_epochs": 0})
    changes.update({"train_dataloader.batch_size": 128, "model.queue_len": 160})
    options = [f"{key}={value}".replace(" ", "") for key, value in changes.items()]
    command = [sys.executable, str(ROOT / "tools/quick_start.py"), "--work-dir", "out"]
    ended = subprocess.run(
        [*command, "--seeds", "2", "--cfg-options", *options],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended, folder / "out"


def test_all_rows_are_measured_and_saved_and_the_hierarchy_is_drawn(done):
    ended, out = done
    results = json.loads((out / "results.json").read_text())
    assert list(results["features"]) == ["raw pixels", "untrained", *METHODS]
    for row in results["features"].values():
        assert len(row["knn"]["values"]) == 2
        assert all(0 < value <= 100 for value in row["knn"]["values"])
    assert results["features"]["raw pixels"]["knn"]["std"] == 0  # nothing random in it
    assert [level["prototypes"] for level in results["hierarchy"]] == [12, 6, 3]
    assert all(0 < level["purity"]["mean"] <= 1 for level in results["hierarchy"])
    assert (out / "table.md").read_text() in ended.stdout
    picture = Image.open(out / "hierarchy.png")
    assert len(picture.getcolors(maxcolors=2**24)) > 50


def test_console_shows_progress_the_table_and_where_the_tree_is_and_nothing_else(done):
    ended, out = done
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    begin = ("seed 0: ", "seed 1: ", "kNN accuracy", "|", "written to", "the tree of the digits")
    assert all(line.startswith(begin) for line in lines), ended.stdout
    assert lines[-1].endswith("out/tree/index.html")
    for method, clusterings in (("mocov2", 0), ("pcl", 1), ("hcsc", 1)):
        log = next((out / "seed1" / method).glob("*/*.log")).read_text()
        assert log.count("Clustering before epoch") == clusterings


def test_levels_of_table_and_page_are_those_of_the_final_weights_tree_counted_from_0(done):
    _, out = done
    assert "level 0, 12 prototypes" in (out / "table.md").read_text()
    assert "level 2, 3 prototypes" in (out / "table.md").read_text()
    tree = PrototypeHierarchy.load(out / "tree/hierarchy.pt")
    assert tree.num_prototypes == (12, 6, 3)
    assert tree.num_samples == 1437
    summary = files.shard(out / "tree", "summary")
    assert (summary["numImages"], summary["levels"]) == (1437, 3)
    assert (out / "tree/index.html").is_file()


@pytest.mark.parametrize("wish", [None, False])
def test_workers_stay_between_epochs_unless_the_command_line_says_otherwise(tmp_path, wish):
    configure = runpy.run_path(str(ROOT / "tools/quick_start.py"))["configure"]
    options = {} if wish is None else {"train_dataloader.persistent_workers": wish}
    cfgs = configure(0, tmp_path, options)
    assert all(cfg.train_dataloader.num_workers == 1 for cfg in cfgs.values())
    stay = [cfg.train_dataloader.persistent_workers for cfg in cfgs.values()]
    assert stay == [wish is None] * len(METHODS)
    assert cfgs["HCSC"].default_hooks.clustering.num_workers == 0
