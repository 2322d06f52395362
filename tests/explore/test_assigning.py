"""New images in a tree: where they go, what is renewed, what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from small_trees import QUICK, build, checkpoint, embed_all, photos

from hcsc_mm import HCSCError
from hcsc_mm.apis import load_embedder
from hcsc_mm.explore.assigning import assign_images
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.exports.thumbnails import Thumbnails
from hcsc_mm.explore.page import write_page
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.tree_images import open_folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = photos(tmp_path_factory.mktemp("photos"))
    flipped = Image.open(folder / "train/red/red_2.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    flipped.save(folder / "val/red/copy.png")
    return folder


@pytest.fixture(scope="module")
def weights(images, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images / "train")


@pytest.fixture(scope="module")
def before(images, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("trees") / "tree"
    return build(weights, images / "train", out, "folders", dtype="float32")


@pytest.fixture
def tree(before, tmp_path):
    return Tree(shutil.copytree(before.folder, tmp_path / "tree"))


@pytest.mark.parametrize("exhaustive", [10**6, 0], ids=["all with all", "around leaves"])
def test_new_images_are_appended_where_assign_puts_them(tree, before, images, weights, exhaustive):
    new, embedder = open_folder(str(images / "val"), "folders"), load_embedder(weights)
    rows = embed_all(embedder, open_folder(str(images / "val"))).numpy()
    drift = assign_images(tree, embedder, new, exhaustive=exhaustive, **QUICK)
    after = Tree(tree.folder)
    assert after.table.num_rows == 24 + 13
    for name in (*after.table.columns[2:-2], "path", "label", "unreadable"):
        read = "texts" if name in ("path", "label", "unreadable") else "numbers"
        was, now = (getattr(one.table, read)(name) for one in (before, after))
        if name != "duplicate_group":  # which new images may join
            assert np.array_equal(now[:24], was, equal_nan=read == "numbers"), name
    assert np.array_equal(after.path[:, 24:], np.stack(before.hierarchy.assign(rows)))
    assert np.concatenate(list(after.table.embeddings()))[24:] == pytest.approx(rows, abs=1e-5)
    assert after.table.texts("path")[24] == str(
        images / "val/blue/blue_0.png"
    )  # not below the root
    assert after.table.texts("label")[24:] == ["blue"] * 4 + ["green"] * 4 + ["red"] * 5
    everyone = np.concatenate([np.concatenate(list(before.table.embeddings())), rows])
    similarity = everyone @ everyone.T - 2 * np.eye(37)
    assert after.table.numbers("neighbour_similarity")[24:] == pytest.approx(
        similarity[24:].max(axis=1), abs=1e-5
    )
    distance = after.table.numbers("distance_0")
    far = int((distance[24:] > np.quantile(distance[:24], 0.99)).sum())
    assert (drift.number, drift.num_far) == (13, far)
    assert f"{far} of 13 new images" in str(drift)


def test_nodes_hierarchy_and_groups_are_those_of_all_images(tree, images, weights):
    assign_images(tree, load_embedder(weights), open_folder(str(images / "val")), **QUICK)
    after = Tree(tree.folder)
    assert after.nodes["root"]["count"] == after.hierarchy.num_samples == 37
    assert np.array_equal(after.hierarchy.path(range(37))[0], after.path[0])
    for node in after.nodes["nodes"]:
        members = np.flatnonzero(after.path[node["level"]] == node["index"])
        assert node["count"] == len(members)
        assert set(node["representatives"]) <= set(members.tolist())
    group, paths = after.table.numbers("duplicate_group"), after.table.texts("path")
    one, copy = paths.index("red/red_2.png"), paths.index(str(images / "val/red/copy.png"))
    assert group[one] == group[copy] >= 0
    assert (group >= 0).sum() == 2
    assert len(np.load(after.folder / "signatures.npy")) == 37
    boxes = np.stack([after.table.numbers(name) for name in "xy"], axis=1)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert not (tree.folder / ".assign").exists()


def test_images_twice_and_labels_that_the_tree_lacks_are_refused(tree, images, weights, tmp_path):
    embedder = load_embedder(weights)
    with pytest.raises(
        HCSCError, match="24 of the 24 images are in the tree already, the first is"
    ):
        assign_images(tree, embedder, open_folder(str(images / "train")), **QUICK)
    shutil.copytree(images / "val/red", tmp_path / "other/purple")
    with pytest.raises(HCSCError, match="the tree has no label 'purple'; it has 3 labels"):
        assign_images(tree, embedder, open_folder(str(tmp_path / "other"), "folders"), **QUICK)


def test_a_table_of_another_model_is_refused_by_name(tree, images, weights, tmp_path):
    saved = torch.load(weights, weights_only=True)
    saved["state_dict"]["momentum_encoder.encoder.1.mlp.2.bias"] += 1
    torch.save(saved, tmp_path / "other.pth")
    before = (tree.folder / "images.parquet").read_bytes()
    with pytest.raises(HCSCError, match=r"images\.parquet is of other weights .*than other\.pth"):
        assign_images(tree, load_embedder(tmp_path / "other.pth"), open_folder(str(images / "val")))
    assert (tree.folder / "images.parquet").read_bytes() == before


def test_images_that_are_prepared_otherwise_than_the_trees_are_refused(tree, images, weights):
    embedder = load_embedder(weights)
    load, resize, *rest = embedder.pipeline
    wider = replace(embedder, pipeline=(load, {**resize, "scale": 30}, *rest))
    with pytest.raises(HCSCError, match=r"'scale': 18} there, .*'scale': 30} here; build it again"):
        assign_images(tree, wider, open_folder(str(images / "val")), **QUICK)
    table = pq.read_table(tree.folder / "images.parquet")
    metadata = {key: value for key, value in table.schema.metadata.items() if b"prepar" not in key}
    pq.write_table(table.replace_schema_metadata(metadata), tree.folder / "images.parquet")
    with pytest.raises(HCSCError, match="did not note how it prepared images; build it again"):
        assign_images(
            Tree(tree.folder), load_embedder(weights), open_folder(str(images / "val")), **QUICK
        )


@pytest.mark.parametrize("white", [4095, "auto"])
def test_pictures_and_new_images_have_the_white_of_the_tree(white, weights, tmp_path):
    """12 bits in files of 16; the new images are dark, so that their own range is another."""
    for folder, top in (("old", 4096), ("new", 256)):
        (tmp_path / folder).mkdir()
        for row in range(12):
            values = np.random.default_rng(row).integers(0, top, (40, 40)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / folder / f"{row}.png")
    embedder = load_embedder(weights).with_white(white)
    out = tmp_path / "tree"
    options = BuildOptions(num_prototypes=(4, 2), **QUICK)
    build_tree(Sources(embedder, open_folder(str(tmp_path / "old"))), out, options)
    write_page(out, tmp_path / "old", processes=1)
    tree = Tree(out)
    assert tree.facts.white == 4095
    assert np.mean(Thumbnails(tree, 32).picture("0.png")) > 100  # 128; of 65535 it would be 8
    sheet = Image.open(next((out / "page/data").rglob("*.jpg"))).convert("L")
    assert np.percentile(sheet, 90) > 100
    assign_images(tree, embedder, open_folder(str(tmp_path / "new")), **QUICK)
    after = np.concatenate(list(Tree(out).table.embeddings()))[12:]
    dark = embed_all(embedder.with_white(4095), open_folder(str(tmp_path / "new"))).numpy()
    assert after == pytest.approx(dark, abs=1e-3)


def test_new_images_that_cannot_be_read_are_listed_and_counted(tree, images, weights, tmp_path):
    folder = shutil.copytree(images / "val", tmp_path / "new")
    (folder / "blue/blue_0.png").write_bytes(b"")
    drift = assign_images(tree, load_embedder(weights), open_folder(str(folder)), **QUICK)
    after = Tree(tree.folder)
    assert (drift.number, drift.num_unreadable) == (12, 1)
    assert after.path[0, 24] == -1
    assert after.table.texts("unreadable")[24] is not None
    assert after.nodes["num_unreadable"] == 1
