"""The command lines around a tree, as they are typed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from command_line import run_here
from small_trees import checkpoint, photos, rows_in_blobs
from tiny import ROOT

from hcsc_mm.apis import HierarchyInferencer
from hcsc_mm.datasets import ImageFolder, LabelledImages
from hcsc_mm.explore.tree import Tree


@pytest.fixture
def tool(folder, capfd):
    """Call a tool in the folder."""

    def call(name, *arguments):
        return run_here(capfd, name, *arguments, cwd=folder)

    return call


def run_script(*command, cwd):
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """images/, w.pth, and a tree of them, built by two processes."""
    folder = tmp_path_factory.mktemp("tools")
    images = photos(folder / "images")
    checkpoint(folder / "w.pth", images / "train")
    arguments = ["w.pth", 2, "--images", "images/train", "--labels", "folders", "--out", "tree"]
    done = run_script(ROOT / "tools/dist_build_tree.sh", *arguments, "--no-page", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (
        "tree: the trained tree of these very images, 24 images → 6 → 3 prototypes" in done.stdout
    )
    return folder


def test_one_process_builds_what_two_did_and_then_has_nothing_to_do(folder, tool):
    arguments = ["w.pth", "--images", "images/train", "--labels", "folders", "--no-page"]
    done = tool("build_tree.py", *arguments, "--out", "alone")
    assert done.returncode == 0, done.error
    one, two = Tree(folder / "alone"), Tree(folder / "tree")
    assert one.nodes == two.nodes
    for name in one.table.columns[2:-2]:
        assert np.array_equal(one.table.numbers(name), two.table.numbers(name)), name
    assert "finished before" in tool("build_tree.py", *arguments, "--out", "alone").stdout


def test_a_sample_is_a_list_for_both_data_sets(folder, tool):
    arguments = ["tree", "--number", 9, "--balanced", "--without-duplicates", "--out", "list.txt"]
    done = tool("sample_tree.py", *arguments)
    assert done.returncode == 0, done.error
    listed = (folder / "list.txt").read_text().splitlines()
    assert len(set(listed)) == 9
    root, file = str(folder / "images/train"), str(folder / "list.txt")
    plain = ImageFolder(data_root=root, ann_file=file, pipeline=[])
    assert [plain.get_data_info(n)["img_path"] for n in range(9)] == [f"{root}/{p}" for p in listed]
    assert len(LabelledImages(data_root=root, listed=file, pipeline=[])) == 9


def test_outliers_are_those_with_the_highest_scores(folder, tool):
    assert tool("sample_tree.py", "tree", "--number", 3, "--outliers").returncode == 0
    table = Tree(folder / "tree").table
    order, paths = np.argsort(-table.numbers("outlier_score"), kind="stable"), table.texts("path")
    listed = (folder / "tree/sample_3.txt").read_text().splitlines()
    assert listed == [paths[row] for row in order[:3]]
    assert tool("sample_tree.py", "tree", "--number", 9, "--without-outliers", 0.5).returncode == 0
    sample = (folder / "tree/sample_9.txt").read_text().splitlines()
    assert not {paths[row] for row in order[:12]} & set(sample)


def test_assign_and_export_say_what_they_did(folder, tool):
    shutil.copytree(folder / "tree", folder / "grown")
    done = tool("assign.py", "grown", "--images", "images/val")
    assert done.returncode == 0, done.error
    assert "of 12 new images" in done.stdout
    assert Tree(folder / "grown").table.num_rows == 36
    done = tool("export_tree.py", "grown", "--to", "dendromap", "--out", "out")
    assert done.returncode == 0, done.error
    assert "dendrogram.json" in done.stdout


def test_a_tree_of_other_features_is_a_new_one_and_new_images_get_them_too(folder, tool):
    arguments = ["w.pth", "--images", "images/train", "--num-prototypes", 6, 3, "--no-page"]
    done = tool("build_tree.py", *arguments, "--features", "both", "--out", "both")
    assert done.returncode == 0, done.error
    tree = Tree(folder / "both")
    assert tree.facts.features == "both" and tree.facts.origin == "clustered"
    done = tool("assign.py", "both", "--images", "images/val")
    assert done.returncode == 0, done.error
    found = HierarchyInferencer(
        folder / "w.pth", hierarchy=folder / "both/hierarchy.pt", device="cpu", features="both"
    )
    names = Tree(folder / "both").table.texts("path")[24:]
    root = folder / "images/train"
    placed = found([str(root / name) for name in names])
    column = Tree(folder / "both").table.numbers("prototype_0")[24:]
    assert [one.prototypes[0] for one in placed] == column.tolist()
    done = tool("build_tree.py", *arguments, "--features", "backbone", "--out", "both")
    assert "both holds a tree of other inputs (weights changed)" in done.error


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("build_tree.py", ["gone.pth", "--out", "t"], "there is no file, folder or model gone.pth"),
        ("build_tree.py", ["--out", "t"], "give either weights or --embeddings"),
        ("build_tree.py", ["w.pth", "--images", "gone", "--out", "t"], "gone does not exist"),
        ("build_tree.py", ["w.pth", "--images", "empty", "--out", "t"], "no image under"),
        (
            "build_tree.py",
            ["w.pth", "--images", "images", "--out", "w.pth/t"],
            "w.pth is no folder",
        ),
        ("build_tree.py", ["w.pth", "--images", "images", "--out", "tree"], "tree of other inputs"),
        ("build_tree.py", ["--embeddings", "w.pth", "--out", "t"], "is no .npy file"),
        (
            "build_tree.py",
            ["--embeddings", "w.pth", "--features", "both", "--out", "t"],
            "--features both is of weights",
        ),
        ("build_tree.py", ["w.pth", "--num-prototypes", "99", "--out", "t"], "exceeds the 24"),
        ("sample_tree.py", ["gone", "--number", "3"], "there is no folder gone"),
        ("sample_tree.py", ["tree", "--number", "99"], "must lie in [1, 24]"),
        ("assign.py", ["tree", "--images", "empty"], "no image under"),
        (
            "export_tree.py",
            ["empty", "--to", "dendromap", "--out", "o"],
            "holds no images.parquet; build the tree first",
        ),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(folder, tool, name, arguments, message):
    (folder / "empty").mkdir(exist_ok=True)
    done = tool(name, *arguments)
    assert done.returncode == 1
    assert done.error.startswith("error: ")
    assert message in done.error
    assert "\n" not in done.error


def test_the_page_comes_last_and_follows_what_is_assigned(folder, tool):
    shutil.copytree(folder / "tree", folder / "shown")
    arguments = ["w.pth", "--images", "images/train", "--labels", "folders", "--out", "shown"]
    done = tool("build_tree.py", *arguments)
    assert done.returncode == 0, done.error
    assert done.stdout.rstrip().endswith("open shown/index.html")
    before = (folder / "shown/page/data/summary.js").read_text()
    assert '"numImages":24' in before
    done = tool("assign.py", "shown", "--images", "images/val")
    assert done.returncode == 0, done.error
    assert '"numImages":36' in (folder / "shown/page/data/summary.js").read_text()


def test_another_tree_without_a_page_takes_the_old_page_away(folder, tool):
    arguments = ["w.pth", "--images", "images/train", "--out", "redone"]
    tool("build_tree.py", *arguments)
    assert (folder / "redone/index.html").exists()
    tool("build_tree.py", *arguments, "--no-page")  # of the same tree: nothing is left to do
    assert (folder / "redone/index.html").exists()
    tool("build_tree.py", *arguments, "--no-page", "--redo", "--num-prototypes", 4, 2)
    assert not (folder / "redone/index.html").exists() and not (folder / "redone/page").exists()


def test_embeddings_alone_make_a_tree(folder, tool):
    np.save(folder / "rows.npy", rows_in_blobs())
    done = tool("build_tree.py", "--embeddings", "rows.npy", "--out", "of_rows")
    assert done.returncode == 0, done.error
    assert "of_rows: a new tree, 400 images → 60 → 16 prototypes" in done.stdout


def test_without_arguments_the_script_says_how_it_is_used(tmp_path):
    done = run_script(ROOT / "tools/dist_build_tree.sh", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
