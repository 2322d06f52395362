"""What the page says is what the tree says."""

from __future__ import annotations

import json

import numpy as np
import page_files as files
import pyarrow.parquet as pq
import pytest
from made_tree import HOSTILE_LABEL
from sklearn.neighbors import NearestNeighbors
from small_page import BROKEN_ROW, NUM_IMAGES, SIZE, UNPLACED, row_of, small_label, small_path


@pytest.fixture(scope="module")
def table(small):
    columns = pq.read_table(small.folder / "images.parquet").to_pydict()
    embedding = [vector or [0.0] * 16 for vector in columns.pop("embedding")]
    return {name: np.array(values) for name, values in columns.items()} | {
        "embedding": np.array(embedding)
    }


@pytest.fixture(scope="module")
def rows(small):
    return np.array(files.rows(small.folder))


@pytest.fixture(scope="module")
def views(small):
    names = (small.folder / "page/data/nodes").glob("*.js")
    return {path.stem: files.shard(small.folder, f"nodes/{path.stem}") for path in names}


def test_every_image_has_one_position(rows):
    assert sorted(rows) == list(range(NUM_IMAGES))


def test_a_node_is_a_run_of_its_images(small, rows, views):
    for view in views.values():
        for child in view["children"]:
            level, index = map(int, child["id"][1:].split("-"))
            run = rows[child["start"] : child["start"] + child["count"]]
            assert sorted(run) == np.flatnonzero(small.prototypes[level] == index).tolist()


def test_all_nodes_with_images_are_reached_from_the_root(small, views):
    reached, waiting = set(), ["root"]
    while waiting:
        for child in views[waiting.pop()]["children"]:
            reached.add(child["id"])
            waiting += [] if child["leaf"] else [child["id"]]
    wanted = {
        f"l{level}-{index}"
        for level, column in enumerate(small.prototypes)
        for index in set(column.tolist()) - {-1}
    }
    assert reached == wanted


def test_the_nearest_images_of_a_leaf_come_first(small, table, rows):
    for block in files.blocks(small.folder):
        for leaf in block["leaves"]:
            run = rows[leaf["start"] : leaf["start"] + leaf["count"]]
            assert (np.diff(table["distance_0"][run]) >= 0).all()


def test_images_outside_the_tree_come_last(small, rows):
    assert sorted(rows[-UNPLACED:]) == list(range(NUM_IMAGES - UNPLACED, NUM_IMAGES))
    assert files.shard(small.folder, "summary")["numPlaced"] == NUM_IMAGES - UNPLACED


def test_every_thumbnail_shows_the_image_of_its_position(small, rows):
    unreadable = {BROKEN_ROW, *range(NUM_IMAGES - UNPLACED, NUM_IMAGES)}
    for position, row in enumerate(rows):
        pixels = files.thumbnail(small.folder, position, SIZE)
        if row not in unreadable:
            assert row_of(pixels[SIZE // 2, SIZE // 2]) == row
            assert row_of(pixels[4, 4]) == row_of(pixels[-5, -5]) == row


def test_every_face_in_a_sprite_is_of_its_position_and_its_node(small, rows, views):
    for view in views.values():
        for child in view["children"]:
            assert child["faces"]
            assert len(set(child["faces"])) == len(child["faces"])
            for position in child["faces"]:
                assert child["start"] <= position < child["start"] + child["count"]
                if rows[position] != BROKEN_ROW:
                    pixels = files.face(small.folder, view, position, SIZE)
                    assert row_of(pixels[SIZE // 2, SIZE // 2]) == rows[position]


def test_what_an_image_card_tells_is_in_the_table(small, table, rows):
    for block in files.blocks(small.folder):
        for place, row in enumerate(block["rows"]):
            assert block["paths"][place] == small_path(row)
            label = block["label"][place]
            assert block["labelNames"][label] == small_label(row, small.prototypes[:, row])
            for key, column in {"distance": "distance_0", "outlier": "outlier_score"}.items():
                assert block[key][place] == pytest.approx(table[column][row], abs=6e-4)
            members = np.flatnonzero(table["duplicate_group"] == block["group"][place])
            if block["group"][place] >= 0:
                twins = block["groups"][str(block["group"][place])]
                assert sorted(rows[twins]) == sorted(members)


def test_unreadable_images_tell_why(small):
    reasons = {}
    for block in files.blocks(small.folder):
        for position, why in block["unreadable"].items():
            reasons[block["rows"][int(position) - block["start"]]] = why
    outside = range(NUM_IMAGES - UNPLACED, NUM_IMAGES)
    assert reasons == {
        BROKEN_ROW: "OSError: it is cut off",
        **dict.fromkeys(outside, "it is truncated"),
    }
    assert files.shard(small.folder, "summary")["numUnreadable"] == 1 + UNPLACED


def test_most_similar_are_scikit_learns_among_the_leaf_and_its_nearest_siblings(small, table, rows):
    embeddings = table["embedding"].astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    for block in files.blocks(small.folder):
        for leaf in block["leaves"]:
            indices = [int(one["id"].split("-")[1]) for one in (leaf, *leaf["siblings"])]
            around = np.flatnonzero(np.isin(small.prototypes[0], indices))
            searcher = NearestNeighbors(metric="cosine").fit(embeddings[around])
            first = max(leaf["start"], block["start"]) - block["start"]
            last = min(leaf["start"] + leaf["count"] - block["start"], len(block["rows"]))
            for place in range(first, last):
                row, position = block["rows"][place], block["start"] + place
                number = min(7, len(around))
                distance, found = searcher.kneighbors(embeddings[[row]], number)
                others = around[found[0]] != row
                assert block["cosines"][place] == pytest.approx(
                    1 - distance[0][others][:6], abs=1e-3
                )
                similar = rows[position + np.array(block["similar"][place], int)]
                assert row not in similar
                own = embeddings[similar] @ embeddings[row]
                assert own == pytest.approx(block["cosines"][place], abs=1e-3)


def test_a_card_shows_representatives_edges_and_outliers_of_the_hierarchy(small, rows, views):
    hierarchy = json.loads((small.folder / "hierarchy.json").read_text())
    nodes = {node["id"]: node for node in (hierarchy["root"], *hierarchy["nodes"])}
    leaves = [leaf for block in files.blocks(small.folder) for leaf in block["leaves"]]
    for card in (*views.values(), *leaves):
        node = nodes[card["id"]]
        for key in ("representatives", "edges", "outliers"):
            assert rows[card[key]].tolist() == node[key]
        assert card["labels"] == node["labels"]
        assert card["share"] == pytest.approx(node["count"] / NUM_IMAGES, abs=0.01)


def test_near_duplicate_groups_of_a_node_have_two_images_in_it(small, table, rows, views):
    for view in views.values():
        run = rows[view["start"] : view["start"] + view["count"]]
        groups = table["duplicate_group"][run]
        _, sizes = np.unique(groups[groups >= 0], return_counts=True)
        assert view["numGroups"] == (sizes > 1).sum()
        for group in view["groups"]:
            assert len(group) > 1
            assert len(set(table["duplicate_group"][rows[group]])) == 1


def test_the_search_knows_every_path_and_every_node_once(small, rows, views):
    index = files.shard(small.folder, "names/index")
    chunks = [files.shard(small.folder, f"names/{n}") for n in range(len(index["bounds"]))]
    found = {
        position: path
        for chunk in chunks
        for position, path in zip(chunk["positions"], chunk["paths"].split("\0"), strict=True)
    }
    assert found == {position: small_path(row) for position, row in enumerate(rows)}
    nodes = files.shard(small.folder, "names/nodes")
    assert len(set(nodes["ids"])) == len(nodes["ids"])
    assert set(nodes["ids"]) == {
        child["id"] for view in views.values() for child in view["children"]
    }
    assert HOSTILE_LABEL in nodes["names"]
