"""Writing the page: whole files, stopped and gone on with; what does not fit is refused."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import page_files as files
import pyarrow.parquet as pq
import pytest
from made_tree import make_tree
from PIL import Image
from small_page import NUM_IMAGES, OPTIONS, PlainImages, write_small_tree

from hcsc_mm.errors import HCSCError
from hcsc_mm.explore.page import PageOptions, write_page

ROOT = Path(__file__).resolve().parents[2]


class Stops(PlainImages):
    """Reads some images, then the user has had enough."""

    left = 600

    def image(self, row):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().image(row)


def test_a_stopped_call_goes_on_and_ends_with_the_same_files(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
        write_small_tree(folder)
    write_page(whole, PlainImages(NUM_IMAGES), title="t", options=OPTIONS, processes=1)
    with pytest.raises(KeyboardInterrupt):
        write_page(stopped, Stops(NUM_IMAGES), title="t", options=OPTIONS, processes=1)
    assert not (stopped / "index.html").exists()
    kept = stopped / "page/data/images/0.js"
    written = kept.stat().st_mtime_ns
    write_page(stopped, PlainImages(NUM_IMAGES), title="t", options=OPTIONS, processes=1)
    assert kept.stat().st_mtime_ns == written
    assert files.content(stopped) == files.content(whole)


def test_a_finished_page_is_left_alone_and_other_options_make_it_anew(tmp_path):
    write_small_tree(tmp_path)
    index = write_page(tmp_path, PlainImages(NUM_IMAGES), options=OPTIONS, processes=1)
    assert index == tmp_path / "index.html"
    before = files.content(tmp_path)
    write_page(tmp_path, Stops(NUM_IMAGES), options=OPTIONS, processes=1)  # it would read 700
    assert files.content(tmp_path) == before
    other = PageOptions(thumbnail_size=16)
    write_page(tmp_path, PlainImages(NUM_IMAGES), options=other, processes=1)
    assert files.shard(tmp_path, "summary")["thumbnail"] == 16
    assert Image.open(tmp_path / "page/data/sheets/0.jpg").size == (16 * 16, 8 * 16)


def test_processes_and_parts_of_the_table_change_no_file(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    make_tree(one, 1500, (9, 3))
    (two / "images.parquet").mkdir(parents=True)
    (two / "hierarchy.json").write_bytes((one / "hierarchy.json").read_bytes())
    whole = pq.read_table(one / "images.parquet")
    for part, start in enumerate((0, 11, 900)):
        rows = whole.slice(start, (11, 889, 600)[part])
        pq.write_table(rows, two / f"images.parquet/part-{part:05d}.parquet")
    options, contents = PageOptions(thumbnail_size=16), []
    for folder, processes in ((one, 1), (two, 2)):
        write_page(folder, PlainImages(1500), title="t", options=options, processes=processes)
        digest = files.shard(folder, "summary")["tree"].encode()  # of the table's own bytes
        written = files.content(folder).items()
        contents.append({name: text.replace(digest, b"") for name, text in written})
    assert contents[0] == contents[1]


def test_images_are_read_from_the_folder_upright_and_in_the_middle(tmp_path):
    make_tree(tmp_path, 60, (4, 2), path=lambda row: f"photos/{row}.jpg")
    folder = tmp_path / "root/photos"
    folder.mkdir(parents=True)
    for row in range(59):  # the last is missing
        pixels = np.zeros((400, 1000, 3), np.uint8)
        pixels[:, 300:700] = (250, 10, 10)  # the middle square, and a mark at its top
        pixels[:100, 300:700] = (10, 250, 10)
        tags = Image.Exif()
        tags[0x0112] = 3  # stored upside down
        Image.fromarray(pixels[::-1, ::-1].copy()).save(folder / f"{row}.jpg", exif=tags)
    write_page(tmp_path, tmp_path / "root", options=PageOptions(thumbnail_size=32), processes=1)
    rows = files.rows(tmp_path)
    for position, row in enumerate(rows):
        pixels = files.thumbnail(tmp_path, position, 32).astype(int)
        if row < 59:
            assert abs(pixels[2, 2] - (10, 250, 10)).max() < 40
            assert abs(pixels[29, 29] - (250, 10, 10)).max() < 40
    block = files.blocks(tmp_path)[0]
    assert block["unreadable"] == {
        str(rows.index(59)): "FileNotFoundError: No such file or directory"
    }


def test_prototypes_without_images_are_left_out_and_counted(tmp_path):
    prototypes = make_tree(tmp_path, 40, (30, 10, 2))
    write_page(tmp_path, PlainImages(40), options=OPTIONS, processes=1)
    views = [path.stem for path in (tmp_path / "page/data/nodes").glob("*.js")]
    shards = [files.shard(tmp_path, f"nodes/{view}") for view in views]
    empty = 42 - sum(len(set(level.tolist())) for level in prototypes)
    below_empty = 30 + 10 + 2 - sum(len(s["children"]) + s["empty"] for s in shards)
    assert empty > 5
    assert sum(shard["empty"] for shard in shards) + below_empty == empty
    assert all(child["count"] for shard in shards for child in shard["children"])


def test_a_tree_of_one_level_and_one_image(tmp_path):
    make_tree(tmp_path, 1, (2,))
    write_page(tmp_path, PlainImages(1), options=OPTIONS, processes=1)
    view = files.shard(tmp_path, "nodes/root")
    assert [child["count"] for child in view["children"]] == [1]
    assert files.blocks(tmp_path)[0]["similar"] == [[]]


def change(folder: Path, edit) -> None:
    path = folder / "hierarchy.json"
    hierarchy = json.loads(path.read_text())
    edit(hierarchy)
    path.write_text(json.dumps(hierarchy))


def other_count(hierarchy):
    hierarchy["nodes"][0]["count"] += 1


def other_parent(hierarchy):
    nodes = hierarchy["nodes"]
    coarse = [node["id"] for node in nodes if node["level"] == 1]
    nodes[0]["parent"] = next(one for one in coarse if one != nodes[0]["parent"])


def one_node_less(hierarchy):
    del hierarchy["nodes"][0]


def hostile_id(hierarchy):
    hierarchy["nodes"][0]["id"] = "../../index"


def other_version(hierarchy):
    hierarchy["version"] = 2


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (other_count, "do not tell of the same tree: l0-0 has"),
        (other_parent, "do not tell of the same tree: l0-0 has another parent"),
        (one_node_less, "prototype 0 of level 0 is not in hierarchy.json"),
        (hostile_id, "'../../index' is no id of a node"),
        (other_version, "is not of version 1"),
    ],
)
def test_a_hierarchy_of_another_tree_is_refused(tmp_path, edit, message):
    write_small_tree(tmp_path)
    change(tmp_path, edit)
    with pytest.raises(HCSCError, match=message) as refused:
        write_page(tmp_path, PlainImages(NUM_IMAGES), options=OPTIONS, processes=1)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize("name", ["images.parquet", "hierarchy.json"])
@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_missing_or_damaged_file_is_named(tmp_path, name, damage):
    write_small_tree(tmp_path)
    path = tmp_path / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HCSCError, match=f"{name}.* build the tree") as refused:
        write_page(tmp_path, PlainImages(NUM_IMAGES), options=OPTIONS, processes=1)
    assert "\n" not in str(refused.value)


def test_too_few_images_a_missing_folder_and_options_out_of_range_are_refused(tmp_path):
    write_small_tree(tmp_path)
    with pytest.raises(HCSCError, match="699 images were given for a table of 700"):
        write_page(tmp_path, PlainImages(NUM_IMAGES - 1), options=OPTIONS)
    with pytest.raises(HCSCError, match=r"the image folder .*nowhere' does not exist"):
        write_page(tmp_path, tmp_path / "nowhere", options=OPTIONS)
    with pytest.raises(HCSCError, match=r"thumbnail_size=8 of the page must lie in \[16, 512\]"):
        PageOptions(thumbnail_size=8)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_one_line_and_what_is_whole_stays(tmp_path, monkeypatch, processes):
    write_small_tree(tmp_path)
    write = Path.write_bytes

    def full(path, content):
        if path.name.startswith("4.jpg"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(HCSCError, match=r"cannot write .*4.jpg \(No space left") as refused:
            write_page(tmp_path, PlainImages(NUM_IMAGES), options=OPTIONS, processes=processes)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("*.part"))
    write_page(tmp_path, PlainImages(NUM_IMAGES), options=OPTIONS, processes=1)
    assert sorted(files.rows(tmp_path)) == list(range(NUM_IMAGES))


def test_a_size_of_thumbnails_follows_the_collection():
    sizes = [PageOptions().fitting(n).thumbnail_size for n in (2_640, 1_000_000, 10_000_000)]
    assert sizes == [128, 96, 64]
    assert PageOptions(thumbnail_size=48).fitting(10).thumbnail_size == 48


def test_the_assets_come_with_the_package():
    assert 'hcsc_mm = ["**/*"]' in (ROOT / "pyproject.toml").read_text()
    assert all(asset.is_file() for asset in (ROOT / "hcsc_mm/explore/assets").iterdir())
