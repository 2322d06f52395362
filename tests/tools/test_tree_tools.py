"""The command lines around a tree, as they are typed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from small_trees import checkpoint, photos, rows_in_blobs
from tiny import ROOT

from hcsc_mm.datasets import ImageFolder, LabelledImages
from hcsc_mm.explore.tree import Tree


def run(*command, cwd):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tool(name, *arguments, cwd):
    return run(sys.executable, ROOT / "tools" / name, *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """images/, w.pth, and a tree of them, built by two processes."""
    folder = tmp_path_factory.mktemp("tools")
    images = photos(folder / "images")
    checkpoint(folder / "w.pth", images / "train")
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    arguments = ["w.pth", 2, "--images", "images/train", "--labels", "folders", "--out", "tree"]
    done = run(
        "env",
        f"PATH={path}",
        ROOT / "tools/dist_build_tree.sh",
        *arguments,
        "--no-page",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "tree: the trained tree of these very images, 24 images → 6 → 3 prototypes" in done.stdout
    )
    return folder


def test_one_process_builds_what_two_did_and_then_has_nothing_to_do(folder):
    arguments = ["w.pth", "--images", "images/train", "--labels", "folders", "--no-page"]
    done = tool("build_tree.py", *arguments, "--out", "alone", cwd=folder)
    assert done.returncode == 0, done.stderr
    one, two = Tree(folder / "alone"), Tree(folder / "tree")
    assert one.nodes == two.nodes
    for name in one.table.columns[2:-2]:
        assert np.array_equal(one.table.numbers(name), two.table.numbers(name)), name
    again = tool("build_tree.py", *arguments, "--out", "alone", cwd=folder)
    assert "finished before" in again.stdout


def test_a_sample_is_a_list_for_both_data_sets(folder):
    arguments = ["tree", "--number", 9, "--balanced", "--without-duplicates", "--out", "list.txt"]
    done = tool("sample_tree.py", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    listed = (folder / "list.txt").read_text().splitlines()
    assert len(set(listed)) == 9
    root, file = str(folder / "images/train"), str(folder / "list.txt")
    plain = ImageFolder(data_root=root, ann_file=file, pipeline=[])
    assert [plain.get_data_info(n)["img_path"] for n in range(9)] == [f"{root}/{p}" for p in listed]
    labelled = LabelledImages(data_root=root, listed=file, pipeline=[])
    assert len(labelled) == 9
    outliers = tool("sample_tree.py", "tree", "--number", 3, "--outliers", cwd=folder)
    assert outliers.returncode == 0, outliers.stderr
    score, paths = Tree(folder / "tree").table.numbers("outlier_score"), Tree(folder / "tree").table
    farthest = [paths.texts("path")[row] for row in np.argsort(-score, kind="stable")[:3]]
    assert (folder / "tree/sample_3.txt").read_text().splitlines() == farthest


def test_assign_and_export_say_what_they_did(folder):
    run("cp", "-r", "tree", "grown", cwd=folder)
    done = tool("assign.py", "grown", "--images", "images/val", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "of 12 new images" in done.stdout
    assert Tree(folder / "grown").table.num_rows == 36
    done = tool("export_tree.py", "grown", "--to", "dendromap", "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "dendrogram.json" in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("build_tree.py", ["gone.pth", "--out", "t"], "there is no file, folder or model gone.pth"),
        ("build_tree.py", ["--out", "t"], "give either weights or --embeddings"),
        ("build_tree.py", ["w.pth", "--images", "gone", "--out", "t"], "gone does not exist"),
        ("build_tree.py", ["w.pth", "--images", "empty", "--out", "t"], "no image under"),
        ("build_tree.py", ["w.pth", "--images", "images", "--out", "w.pth/t"], "Not a directory"),
        ("build_tree.py", ["w.pth", "--images", "images", "--out", "tree"], "tree of other inputs"),
        ("build_tree.py", ["--embeddings", "w.pth", "--out", "t"], "is no .npy file"),
        ("build_tree.py", ["w.pth", "--num-prototypes", "99", "--out", "t"], "exceeds the 24"),
        ("sample_tree.py", ["gone", "--number", "3"], "there is no folder gone"),
        ("sample_tree.py", ["tree", "--number", "99"], "must lie in [1, 24]"),
        ("assign.py", ["tree", "--images", "empty"], "no image under"),
        ("export_tree.py", ["empty", "--to", "dendromap", "--out", "o"], "run tools/build_tree.py"),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(folder, name, arguments, message):
    (folder / "empty").mkdir(exist_ok=True)
    done = tool(name, *arguments, cwd=folder)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.stderr
    assert message in errors[0]
    assert "Traceback" not in done.stderr


def test_embeddings_alone_make_a_tree_and_its_numbers_are_said(folder):
    np.save(folder / "rows.npy", rows_in_blobs())
    done = tool("build_tree.py", "--embeddings", "rows.npy", "--out", "of_rows", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "--num-prototypes is not given: 60 16 for 400 images" in done.stdout + done.stderr


def test_without_arguments_the_script_says_how_it_is_used(tmp_path):
    done = run(ROOT / "tools/dist_build_tree.sh", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
