"""A tree folder from a checkpoint and a folder of images, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from logged import logged
from small_trees import QUICK, build, build_from_rows, checkpoint, embed_all, photos, rows_in_blobs

from hcsc_mm import HCSCError
from hcsc_mm.apis import load_embedder
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.explore import build as building
from hcsc_mm.explore import tables
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.tree_images import open_dataset, open_folder
from hcsc_mm.explore.whole_files import check_writable
from hcsc_mm.structures import PrototypeHierarchy

OLDER = {"part": "momentum_encoder.", "sha256": "of the epoch before"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def weights(images, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images / "train")


@pytest.fixture(scope="module")
def tree(weights, images, tmp_path_factory):
    out = tmp_path_factory.mktemp("trees") / "tree"
    return build(weights, images / "train", out, "folders", dtype="float32", npy=True)


def test_the_trained_tree_of_its_own_images_is_taken_as_it_is(tree, weights):
    saved = torch.load(weights, weights_only=True)["hierarchical_clustering"]["hierarchy"]
    path = PrototypeHierarchy.from_state_dict(saved).path(range(24))
    assert tree.facts.origin == "trained"
    assert np.array_equal(tree.path, np.stack(path))
    assert torch.equal(tree.hierarchy.prototypes[0], saved["prototypes"][0])
    assert (tree.table.numbers("margin") >= -1e-6).all()  # and each image is where it belongs


def test_embeddings_are_those_of_images_one_by_one(tree, weights, images):
    expected = embed_all(load_embedder(weights), open_folder(str(images / "train")))
    found = np.concatenate(list(tree.table.embeddings()))
    assert found == pytest.approx(expected.numpy(), abs=1e-6)
    assert np.array_equal(np.load(tree.folder / "embeddings.npy"), found)


def test_columns_are_those_of_the_contract_in_the_order_of_the_images(tree, images):
    form = pq.read_schema(tree.folder / "images.parquet")
    types = {name: str(form.field(name).type) for name in form.names}
    assert types == {
        "path": "string",
        "embedding": "fixed_size_list<element: float>[16]",
        "prototype_0": "int32",
        "prototype_1": "int32",
        "distance_0": "float",
        "distance_1": "float",
        "margin": "float",
        "outlier_score": "float",
        "neighbour": "int64",
        "neighbour_similarity": "float",
        "duplicate_group": "int32",
        "x": "float",
        "y": "float",
        "label": "string",
        "unreadable": "string",
    }
    paths = tree.table.texts("path")
    assert paths == sorted(
        str(file.relative_to(images / "train")) for file in images.rglob("train/*/*")
    )
    assert tree.table.texts("label") == [path.split("/")[0] for path in paths]
    assert tree.facts.root == str(images / "train")
    assert tree.facts.num_prototypes == (6, 3)
    assert form.metadata[b"hcsc_mm.num_prototypes"] == b"[6, 3]"


def test_the_csv_is_the_table_without_embeddings(tree):
    csv = pyarrow.csv.read_csv(tree.folder / "images.csv").to_pydict()
    parquet = pq.read_table(tree.folder / "images.parquet").drop(["embedding"]).to_pydict()
    assert list(csv) == list(parquet)
    assert csv["path"] == parquet["path"]
    assert csv["distance_1"] == pytest.approx(parquet["distance_1"], abs=1e-6)


def test_numbers_of_the_table_follow_from_its_embeddings(tree):
    rows = np.concatenate(list(tree.table.embeddings()))
    for level, prototypes in enumerate(tree.hierarchy.prototypes):
        distance = np.linalg.norm(rows - prototypes.numpy()[tree.path[level]], axis=1)
        assert tree.table.numbers(f"distance_{level}") == pytest.approx(distance, abs=1e-6)
    similarity = rows @ rows.T - 2 * np.eye(24)
    assert tree.table.numbers("neighbour_similarity") == pytest.approx(
        similarity.max(axis=1), abs=1e-5
    )
    at = tree.table.numbers("neighbour").astype(int)
    assert similarity[np.arange(24), at] == pytest.approx(similarity.max(axis=1), abs=1e-5)


def test_nothing_is_left_to_do_afterwards_and_nothing_of_the_work_is_left(tree, weights, images):
    before = (tree.folder / "images.parquet").stat().st_mtime_ns
    sources = Sources(load_embedder(weights), open_folder(str(images / "train"), "folders"))
    assert not build_tree(sources, tree.folder, BuildOptions(dtype="float32", npy=True, **QUICK))
    assert (tree.folder / "images.parquet").stat().st_mtime_ns == before
    assert [path.name for path in (tree.folder / ".build").iterdir()] == ["finished.json"]


def test_the_data_set_of_the_checkpoint_is_the_default(weights, tree, tmp_path):
    embedder = load_embedder(weights)
    images = open_dataset(embedder.training.dataset, embedder.name)
    build_tree(Sources(embedder, images), tmp_path / "tree", BuildOptions(**QUICK))
    assert np.array_equal(Tree(tmp_path / "tree").path, tree.path)


def test_other_images_go_to_their_nearest_prototypes(weights, tree, images, tmp_path):
    other = build(weights, images / "val", tmp_path / "tree", dtype="float32")
    assert other.facts.origin == "assigned"
    rows = np.concatenate(list(other.table.embeddings()))
    assert np.array_equal(other.path, np.stack(tree.hierarchy.assign(rows)))


def test_embeddings_that_are_not_those_of_the_training_are_said(
    weights, images, tmp_path, monkeypatch
):
    saved = torch.load(weights, weights_only=True)
    hierarchy = saved["hierarchical_clustering"]["hierarchy"]
    hierarchy["assignment"] = hierarchy["assignment"].roll(1)
    torch.save(saved, tmp_path / "rolled.pth")
    with logged(monkeypatch) as lines:
        build(tmp_path / "rolled.pth", images / "train", tmp_path / "tree")
    assert any(
        "to their nearest prototype: it was made of these weights" in one.text for one in lines
    )


@pytest.mark.parametrize("why", ["numbers", "seeding", "no tree", "stale"])
def test_a_new_tree_is_made_where_there_is_none_or_another_is_wanted(
    why, images, weights, tmp_path, caplog
):
    options, file = {}, weights
    if why == "numbers":
        options = {"num_prototypes": (5, 2)}
    elif why == "seeding":
        options = {"seeding": "ward"}
    else:
        changes = {"hierarchy": None} if why == "no tree" else {"weights": OLDER}
        file = checkpoint(tmp_path / "other.pth", images / "train", **changes)
    tree = build(file, images / "train", tmp_path / "tree", **options)
    assert tree.facts.origin == "clustered"
    assert tree.facts.num_prototypes == ((5, 2) if why == "numbers" else (6,))  # 24 images / 4


def test_a_tree_is_made_anew_where_its_clustering_is_to_begin_with_something_else(tmp_path):
    for seeding in ("k-means++", "ward", "k-means++", None):
        tree = build_from_rows(
            rows_in_blobs(), tmp_path / "tree", num_prototypes=(20, 4), seeding=seeding
        )
        rows = torch.from_numpy(rows_in_blobs())
        expected = hierarchical_kmeans(rows, (20, 4), seeding=seeding or "ward")  # of few rows
        ours = tree.hierarchy.prototypes[0]
        torch.testing.assert_close(ours, expected.prototypes[0], rtol=1e-4, atol=1e-5)


def test_few_images_are_clustered_from_wards_clusters_unless_somebody_says_otherwise(tmp_path):
    rows = torch.from_numpy(rows_in_blobs())
    expected = hierarchical_kmeans(rows, (20, 4), seeding="ward")
    other = hierarchical_kmeans(rows, (20, 4), seeding="k-means++")
    tree = build_from_rows(rows_in_blobs(), tmp_path / "tree", num_prototypes=(20, 4))
    assert torch.equal(tree.hierarchy.assignment, expected.assignment)
    assert not torch.equal(tree.hierarchy.assignment, other.assignment)


def test_half_precision_is_the_default_and_the_numbers_are_of_full_precision(
    weights, images, tree, tmp_path
):
    half = build(weights, images / "train", tmp_path / "tree")
    form = pq.read_schema(tmp_path / "tree/images.parquet")
    assert str(form.field("embedding").type) == "fixed_size_list<element: halffloat>[16]"
    assert np.array_equal(half.table.numbers("distance_0"), tree.table.numbers("distance_0"))


def test_unreadable_images_are_rows_with_a_reason_and_without_a_place(weights, images, tmp_path):
    folder = shutil.copytree(images / "train", tmp_path / "photos")
    (folder / "blue/blue_1.png").write_bytes(b"no picture")
    tree = build(weights, folder, tmp_path / "tree", "folders")
    row = tree.table.texts("path").index("blue/blue_1.png")
    assert [why for why in tree.table.texts("unreadable") if why] == [
        "it is no image, or of no format that is read here"
    ]
    assert (tree.path[:, row] == -1).all()
    assert next(tree.table.batches()).to_pylist()[row]["embedding"] is None
    assert np.isnan(tree.table.numbers("distance_0")[row])
    assert tree.nodes["root"]["count"] == 23
    assert (tree.nodes["num_images"], tree.nodes["num_unreadable"]) == (24, 1)
    with pytest.raises(HCSCError, match=r"cannot read image blue/blue_1\.png \(it is no image"):
        build(weights, folder, tmp_path / "other", unreadable="stop")


def test_a_build_that_was_stopped_goes_on_after_the_last_step(
    weights, images, tree, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "lay_out", stop)
    with pytest.raises(KeyboardInterrupt):
        build(weights, images / "train", tmp_path / "tree", "folders", dtype="float32")
    assert not (tmp_path / "tree/images.parquet").exists()
    monkeypatch.undo()
    monkeypatch.setattr(building, "embed_images", stop)  # done, and not done again
    monkeypatch.setattr(building, "find_neighbours", stop)
    again = build(weights, images / "train", tmp_path / "tree", "folders", dtype="float32")
    for name in ("path", "label"):
        assert again.table.texts(name) == tree.table.texts(name)
    for name in ("x", "outlier_score", "margin"):
        assert np.array_equal(again.table.numbers(name), tree.table.numbers(name))
    assert again.nodes == tree.nodes


def test_pieces_that_are_there_are_not_embedded_again(weights, images, tmp_path, monkeypatch):
    monkeypatch.setattr("hcsc_mm.explore.embedding.PIECE", 10)
    embedder, seen = load_embedder(weights), []
    whole = type(embedder).embed

    def at_most(self, batch):
        seen.append(len(batch))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return whole(self, batch)

    monkeypatch.setattr(type(embedder), "embed", at_most)
    with pytest.raises(KeyboardInterrupt):
        build(weights, images / "train", tmp_path / "tree")
    build(weights, images / "train", tmp_path / "tree")
    assert seen == [10, 10, 10, 4]  # the first piece once, the interrupted one again, the last one


def test_other_inputs_are_refused_or_replaced_as_asked(weights, images, tmp_path):
    folder = shutil.copytree(images / "train", tmp_path / "photos")
    build(weights, folder, tmp_path / "tree")
    (folder / "red/red_0.png").unlink()
    with pytest.raises(HCSCError, match=r"holds a tree of other inputs \(images changed\)"):
        build(weights, folder, tmp_path / "tree")
    assert build(weights, folder, tmp_path / "tree", redo=True).table.num_rows == 23


def test_with_the_work_kept_other_options_need_no_embedding(weights, images, tmp_path, monkeypatch):
    build(weights, images / "train", tmp_path / "tree", keep=True)
    monkeypatch.setattr(building, "embed_images", None)
    tree = build(weights, images / "train", tmp_path / "tree", keep=True, num_prototypes=(5, 2))
    assert tree.facts.num_prototypes == (5, 2)


def test_a_large_table_is_a_folder_of_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_PART", 150)
    tree = build_from_rows(rows_in_blobs(), tmp_path / "tree", num_prototypes=(20, 4))
    parts = sorted(path.name for path in (tmp_path / "tree/images.parquet").iterdir())
    assert parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert tree.table.num_rows == 400
    assert tree.table.texts("path")[:2] == ["image_0000000", "image_0000001"]
    assert np.concatenate(list(tree.table.embeddings())) == pytest.approx(rows_in_blobs(), abs=1e-3)
    assert pq.ParquetDataset(tmp_path / "tree/images.parquet").read().num_rows == 400


def test_given_embeddings_of_any_length_make_a_tree(tmp_path):
    tree = build_from_rows(7 * rows_in_blobs(), tmp_path / "tree", dtype="float32")
    assert tree.facts.num_prototypes == (60, 16)
    assert tree.facts.origin == "clustered"
    assert np.concatenate(list(tree.table.embeddings())) == pytest.approx(rows_in_blobs(), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 3), np.float32), "row 0 of the embeddings is zero, NaN or infinite"),
        (np.full((5, 3), np.nan, np.float32), "row 0 of the embeddings is zero, NaN or infinite"),
        (np.ones(5, np.float32), "must be"),
        (np.ones((5, 3), np.int64), "must be"),
        (np.eye(3, dtype=np.float32), "3 images are too few for a tree"),
    ],
    ids=["zero", "nan", "shape", "type", "too few"],
)
def test_embeddings_that_make_no_tree_are_refused(given, message, tmp_path):
    with pytest.raises(HCSCError, match=message):
        build_from_rows(given, tmp_path / "tree")


def test_names_that_are_no_text_come_back_as_the_files_they_are(weights, images, tmp_path):
    from os import fsdecode

    folder = shutil.copytree(images / "train", tmp_path / "photos")
    odd = [
        fsdecode(b"caf\xe9.png"),
        "<img src=x onerror=alert(1)>.png",
        "two\nlines.png",
        "é🐈.png",
    ]
    for name in odd:
        shutil.copy(folder / "red/red_0.png", folder / name)
    tree = build(weights, folder, tmp_path / "tree")
    paths = tree.table.texts("path")
    assert "caf\\xe9.png" in paths
    assert {tree.file(path) for path in paths} >= {str(folder / name) for name in odd}
    json.loads((tmp_path / "tree/hierarchy.json").read_text())


@pytest.mark.parametrize("broken", ["images.parquet", "hierarchy.json"])
def test_a_damaged_tree_is_refused_by_its_file(broken, tree, tmp_path):
    folder = shutil.copytree(tree.folder, tmp_path / "tree")
    (folder / broken).write_bytes(b"{")
    with pytest.raises(HCSCError, match=f"{broken}.* is damaged"):
        Tree(folder)
    (folder / broken).unlink()
    with pytest.raises(HCSCError, match=f"{broken}; "):
        Tree(folder)


def test_the_table_of_somebody_else_is_refused(tree, tmp_path):
    folder = shutil.copytree(tree.folder, tmp_path / "tree")
    table = pq.read_table(folder / "images.parquet").replace_schema_metadata({})
    pq.write_table(table, folder / "images.parquet")
    with pytest.raises(HCSCError, match=r"was not written by tools/build_tree\.py"):
        Tree(folder)


def test_a_full_disk_is_one_line_and_what_was_written_before_stays(tmp_path, monkeypatch):
    """Not a mount: writing fails as on a full disk after so many bytes."""
    import errno

    tree = build_from_rows(rows_in_blobs(), tmp_path / "tree", num_prototypes=(20, 4))
    before = {path.name: path.read_bytes() for path in tree.folder.iterdir() if path.is_file()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hcsc_mm.explore.tables.pq.ParquetWriter.write_batch", full)
    with pytest.raises(
        HCSCError, match=r"there is no room on the disk of .*the same command goes on"
    ):
        build_from_rows(rows_in_blobs(), tree.folder, num_prototypes=(10, 4))
    after = {path.name: path.read_bytes() for path in tree.folder.iterdir() if path.is_file()}
    assert after == before
    monkeypatch.undo()
    again = build_from_rows(rows_in_blobs(), tree.folder, num_prototypes=(10, 4))
    assert again.facts.num_prototypes == (10, 4)


def test_a_folder_that_cannot_be_written_to_is_said_before_the_work(tmp_path, monkeypatch):
    check_writable(tmp_path / "not/there/yet")
    (tmp_path / "file").write_text("")
    with pytest.raises(HCSCError, match="file is no folder"):
        check_writable(tmp_path / "file/tree")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(HCSCError, match="dangling is no folder"):
        check_writable(tmp_path / "dangling/tree")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the super-user may write anywhere
    with pytest.raises(HCSCError, match=f"{tmp_path} cannot be written to"):
        check_writable(tmp_path / "tree")
