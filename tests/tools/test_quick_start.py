"""The first command that anybody runs, on a tiny network."""

import json
import os
import subprocess
import sys

from PIL import Image
from tiny import ROOT, TINY


def quick_start(folder, *arguments):
    options = [
        f"{key}={value}".replace(" ", "") for key, value in TINY.items() if "indices" not in key
    ]
    return subprocess.run(
        [
            sys.executable,
            str(ROOT / "tools/quick_start.py"),
            "--work-dir",
            "out",
            *arguments,
            "--cfg-options",
            *options,
        ],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_quick_start_measures_all_rows_saves_them_and_draws_the_hierarchy(tmp_path):
    done = quick_start(tmp_path, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert list(results["features"]) == ["raw pixels", "untrained", "MoCo v2", "PCL", "HCSC"]
    for row in results["features"].values():
        assert len(row["knn"]["values"]) == 2
        assert all(0 < value <= 100 for value in row["knn"]["values"])
    assert results["features"]["raw pixels"]["knn"]["std"] == 0  # nothing random in it
    assert [level["prototypes"] for level in results["hierarchy"]] == [12, 6, 3]
    assert all(0 < level["purity"]["mean"] <= 1 for level in results["hierarchy"])
    assert (tmp_path / "out/table.md").read_text() in done.stdout
    picture = Image.open(tmp_path / "out/hierarchy.png")
    assert len(picture.getcolors(maxcolors=2**24)) > 50


def test_quick_start_console_shows_progress_and_the_table_and_nothing_else(tmp_path):
    done = quick_start(tmp_path)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert all(
        line.startswith(("seed 0: ", "weighted kNN", "|", "written to")) for line in lines
    ), done.stdout
    assert "±" not in done.stdout
    assert (
        next((tmp_path / "out/seed0/hcsc").glob("*/*.log"))
        .read_text()
        .count("Clustering before epoch")
        == 2
    )
