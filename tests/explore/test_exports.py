"""A tree in the formats of other tools; the tools themselves where they are installed."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_trees import build, build_from_rows, checkpoint, photos, rows_in_blobs

from hcsc_mm import HCSCError
from hcsc_mm.explore import exports as all_exports
from hcsc_mm.explore.exports import exports


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = photos(tmp_path_factory.mktemp("photos")) / "train"
    shutil.copy(folder / "red/red_0.png", folder / "red/tab\tand\nline.png")
    (folder / "red/broken.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def tree(images, tmp_path_factory):
    weights = checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images.parent / "val")
    return build(weights, images, tmp_path_factory.mktemp("trees") / "tree", "folders")


def export(tree, name, out):
    out.mkdir()
    return exports()[name].write(tree, out)


def test_every_module_is_an_export_and_is_found_by_itself():
    assert set(exports()) >= {
        "dendromap",
        "embedding-atlas",
        "fiftyone",
        "projector",
        "spotlight",
    }
    assert "exports" not in all_exports.__dict__.get("__all__", [])


@pytest.mark.parametrize("name", ["spotlight", "embedding-atlas", "fiftyone"])
def test_tables_hold_all_rows_with_plain_float32_embeddings(name, tree, tmp_path):
    (line,) = export(tree, name, tmp_path / "out")
    table = pq.read_table(tmp_path / "out/images.parquet").to_pylist()
    assert len(table) == tree.table.num_rows == 26
    rows = np.concatenate(list(tree.table.embeddings()))
    for row, one in enumerate(table):
        assert (one["embedding"] is None) == (one["unreadable"] is not None)
        if one["embedding"]:
            assert np.array_equal(np.float32(one["embedding"]), rows[row])
    assert "pip install" in line


def test_spotlight_and_fiftyone_get_paths_of_files(tree, images, tmp_path):
    for name, column in (("spotlight", "image"), ("fiftyone", "filepath")):
        export(tree, name, tmp_path / name)
        paths = pq.read_table(tmp_path / name / "images.parquet")[column].to_pylist()
        assert paths == [str(images / path) for path in tree.table.texts("path")]


def test_embedding_atlas_gets_pictures(tree, tmp_path):
    export(tree, "embedding-atlas", tmp_path / "out")
    for one in pq.read_table(tmp_path / "out/images.parquet").to_pylist():
        assert (one["image"]["bytes"] is None) == (one["unreadable"] is not None)
        if one["image"]["bytes"]:
            assert one["image"]["bytes"][:2] == b"\xff\xd8"


def test_fiftyones_script_is_python_that_names_columns_of_the_table(tree, tmp_path):
    export(tree, "fiftyone", tmp_path / "out")
    script = ast.parse((tmp_path / "out/load.py").read_text())
    named = {node.value for node in ast.walk(script) if isinstance(node, ast.Constant)} & set(
        tree.table.columns
    )
    assert named >= {"embedding", "x", "y", "label", "unreadable", "margin", "outlier_score"}


@pytest.mark.skipif(importlib.util.find_spec("fiftyone") is None, reason="no FiftyOne")
def test_fiftyone_loads_the_script(tree, tmp_path):
    export(tree, "fiftyone", tmp_path / "out")
    script = [sys.executable, str(tmp_path / "out/load.py"), "--no-app"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("embedding_atlas") is None, reason="no embedding-atlas"
)
def test_embedding_atlas_opens_its_table_and_the_trees_own(tree, tmp_path):
    export(tree, "embedding-atlas", tmp_path / "out")
    for table in (tmp_path / "out/images.parquet", tree.folder / "images.parquet"):
        command = [sys.executable, "-m", "embedding_atlas.cli", str(table), "--x", "x", "--y", "y"]
        command += ["--vector", "embedding", "--export-application", str(tmp_path / "app.zip")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("renumics") is None, reason="no Spotlight")
def test_spotlight_reads_its_table_and_the_trees_own(tree, tmp_path):
    from renumics.spotlight.data_source import create_datasource

    export(tree, "spotlight", tmp_path / "out")
    for table in (tmp_path / "out/images.parquet", tree.folder / "images.parquet"):
        source = create_datasource(table)
        assert len(source) == 26
        assert "embedding" in source.column_names


def test_the_projector_reads_its_config_and_the_tables_fit_the_sprite(tree, tmp_path):
    text_format = pytest.importorskip("google.protobuf.text_format")
    projector = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
    out = tmp_path / "out"
    export(tree, "projector", out)
    config = text_format.Parse(
        (out / "projector_config.pbtxt").read_text(), projector.ProjectorConfig()
    )
    (entry,) = config.embeddings
    rows = np.loadtxt(out / entry.tensor_path, delimiter="\t")
    assert rows.shape == (25, 16)  # those that can be read
    lines = (out / entry.metadata_path).read_text().splitlines()
    assert len(lines) == 26
    assert all(len(line.split("\t")) == 4 for line in lines)
    assert Image.open(out / entry.sprite.image_path).size == (5 * 64, 5 * 64)


def walk(node):
    yield node
    for child in node.get("children", ()):
        yield from walk(child)


@pytest.mark.parametrize("kind", ["images", "rows"])
def test_every_node_of_the_tree_is_one_of_dendromaps_binary_tree(kind, tree, tmp_path):
    if kind == "rows":
        tree = build_from_rows(rows_in_blobs(), tmp_path / "tree", num_prototypes=(20, 6, 3))
    export(tree, "dendromap", tmp_path / "out")
    root = json.loads((tmp_path / "out/dendrogram.json").read_text())["tree"]
    nodes = list(walk(root))
    assert len({node["node_index"] for node in nodes}) == len(nodes)
    leaves = [node for node in nodes if node["leaf"]]
    assert len(leaves) == root["node_count"] == len(tree.readable)
    paths = tree.table.texts("path")
    members = set()
    for node in nodes:
        own = [leaf for leaf in walk(node) if leaf["leaf"]]
        assert len(own) == node["node_count"]
        assert node["leaf"] == ("filename" in node) == ("children" not in node)
        assert len(node.get("children", (1, 2))) == 2
        members.add(frozenset(leaf["filename"] for leaf in own))
    for level in tree.path:
        for prototype in np.unique(level[level >= 0]):
            assert frozenset(paths[row] for row in np.flatnonzero(level == prototype)) in members


def test_each_image_that_can_be_read_is_a_link_in_the_folders_of_its_nodes(tree, tmp_path):
    export(tree, "folders", tmp_path / "out")
    found = [one for one in (tmp_path / "out").rglob("*") if one.is_symlink()]
    links = {int(one.name.partition("_")[0]): one for one in found}
    assert sorted(links) == tree.readable.tolist()
    paths = tree.table.texts("path")
    for row, link in links.items():
        assert os.path.samefile(link, tree.file(paths[row]))
        nodes = [f"l{level}-{own[row]}" for level, own in enumerate(tree.path)]
        assert link.parent.relative_to(tmp_path / "out").parts == tuple(reversed(nodes))


def test_folders_of_an_earlier_export_are_not_mixed_with_new_ones(tree, tmp_path):
    write = exports()["folders"].write
    write(tree, tmp_path)
    with pytest.raises(HCSCError, match="of an earlier export; remove it"):
        write(tree, tmp_path)


def test_folders_of_links_need_images_in_files(tmp_path):
    tree = build_from_rows(rows_in_blobs(), tmp_path / "tree")
    with pytest.raises(HCSCError, match="need images in files"):
        export(tree, "folders", tmp_path / "out")
