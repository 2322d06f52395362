"""Tar shards give the images that a folder of the same files gives; an index that fits them no
longer is refused.
"""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from command_line import run_here
from rows import encoded
from stores import index, write_folder, write_shard, write_shards
from tiny import ROOT, folder_config, train
from torch.utils.data import DataLoader

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder
from hcsc_mm.datasets.fingerprint import difference, fingerprint
from hcsc_mm.datasets.same_classes import check_labels
from hcsc_mm.datasets.tar_images import TarImages
from hcsc_mm.evaluation.feature_set import read_labels
from hcsc_mm.evaluation.label_counts import count_labels
from hcsc_mm.stages.data import _labels as digest_of_labels

IMAGES = encoded(np.random.default_rng(3).integers(0, 256, (32, 20, 24, 3), dtype=np.uint8))
LABELS = [row % 3 for row in range(32)]
LOAD = [dict(type="hcsc_mm.LoadImage")]


@pytest.fixture
def shards(tmp_path):
    """Five of seven images at most, with labels."""
    write_shards(tmp_path / "shards", IMAGES, 7, cls=LABELS)
    index(tmp_path / "shards")
    return tmp_path / "shards"


def opened(folder, **options) -> TarImages:
    return TarImages(str(folder), pipeline=LOAD, **options)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_are_a_folder_s_in_the_shards_order(tmp_path, shards, num_workers):
    expected = ImageFolder(str(write_folder(tmp_path / "files", IMAGES)), pipeline=LOAD)
    found = opened(shards)
    assert len(found) == len(expected) == 32
    loader = DataLoader(found, batch_size=None, num_workers=num_workers, collate_fn=None)
    for index_, sample in enumerate(loader):  # workers share the open files
        np.testing.assert_array_equal(sample["img"], expected[index_]["img"])
        assert sample["sample_idx"] == index_


def test_training_on_shards_gives_the_losses_of_training_on_files(tmp_path, shards):
    cfg = folder_config(tmp_path, write_folder(tmp_path / "files", IMAGES))
    _, expected = train(cfg)
    other = folder_config(tmp_path / "other", tmp_path / "files")
    other.train_dataloader.dataset.type = "hcsc_mm.TarImages"
    other.train_dataloader.dataset.data_root = str(shards)
    _, found = train(other)
    assert found.losses == expected.losses


def test_a_name_is_shard_and_key(shards):
    path = opened(shards).get_data_info(8)["img_path"]
    assert path.startswith(f"shards://{shards}/train-000001.tar@")
    assert path.endswith("/0008.png")


@pytest.mark.parametrize(
    ("others", "label_key", "labels", "classes"),
    [
        (dict(cls=LABELS), None, LABELS, ("0", "1", "2")),
        (dict(cls=[2 * row for row in LABELS]), "cls", [2 * row for row in LABELS], tuple("01234")),
        (
            dict(txt=["cba"[row] for row in LABELS]),
            "txt",
            [2 - row for row in LABELS],
            tuple("abc"),
        ),
        (dict(json=[f'{{"y": {row}}}' for row in LABELS]), "json.y", LABELS, tuple("012")),
        (dict(json=[f'{{"y": "n{row}"}}' for row in LABELS]), "json.y", LABELS, ("n0", "n1", "n2")),
        (dict(cls=LABELS), "none", [None] * 32, None),
        (dict(txt=["a dog"] * 32), None, [None] * 32, None),  # captions are no labels
    ],
)
def test_labels_are_read_from_where_they_are_said_to_be(
    tmp_path, others, label_key, labels, classes
):
    index(write_shards(tmp_path / "s", IMAGES, 7, **others), label_key=label_key)
    found = opened(tmp_path / "s")
    assert [found.get_data_info(row).get("gt_label") for row in range(32)] == labels
    assert classes == found.CLASSES
    assert found.labels().tolist() == [-1 if label is None else label for label in labels]


def test_stages_read_the_labels_from_the_index(tmp_path, shards):
    index(write_shards(tmp_path / "more", IMAGES[:9], 4, cls=LABELS[1:10]))
    found = TarImages([str(shards), str(tmp_path / "more")], indices=[40, *range(30), 31])
    expected = [found.get_data_info(row)["gt_label"] for row in range(32)]
    for rows in (range(32), range(5, 20), range(1, 30, 3), [7, 0, 31]):
        labels, coarse = read_labels(found, rows)
        assert labels.dtype == torch.int64
        assert labels.tolist() == [expected[row] for row in rows]
        assert coarse is None
    counts = [expected.count(label) for label in range(3)]
    assert check_labels(found, 4, "test").tolist() == [*counts, 0]
    assert count_labels(found).positive.tolist() == counts
    with pytest.raises(HCSCError, match=r"/0002\.png of the test set has the label 2; there are 2"):
        check_labels(found, 2, "test")
    assert digest_of_labels(found) != digest_of_labels(opened(shards, indices=32))
    assert digest_of_labels(found) == digest_of_labels(copy.deepcopy(found))


def test_shards_without_labels_are_refused_by_what_needs_them(tmp_path):
    index(write_shards(tmp_path / "s", IMAGES, 7))
    found = opened(tmp_path / "s")
    with pytest.raises(HCSCError, match=r"/0004\.png has no label \(gt_label\); use a data set"):
        read_labels(found, range(4, 9))
    with pytest.raises(HCSCError, match=r"/0000\.png of the test set has no gt_label"):
        check_labels(found, 3, "test")


def test_numbers_are_named_by_classes_and_too_few_names_are_refused(shards):
    assert opened(shards, classes=["x", "y", "z"]).CLASSES == ("x", "y", "z")
    with pytest.raises(HCSCError, match="the label 2, but classes names 2"):
        opened(shards, classes=["x", "y"])


@pytest.mark.parametrize("indices", [5, -5, [30, 2, 2, 17]])
def test_some_images_are_those_of_all(shards, indices):
    everything = opened(shards)
    rows = list(range(32)[:5] if indices == 5 else range(32)[-5:] if indices == -5 else indices)
    expected = [everything.get_data_info(row)["img_path"] for row in rows]
    for found in (opened(shards, indices=indices), everything.get_subset(indices)):
        assert [found.get_data_info(row)["img_path"] for row in range(len(rows))] == expected
        assert found.labels().tolist() == [LABELS[row] for row in rows]
        assert found.indexes[0].rows.base is not None  # a view of the mapped file, no copy
    assert everything.get_subset(indices).indexes[0] is everything.indexes[0]


def test_several_folders_come_one_after_the_other(tmp_path, shards):
    index(write_shards(tmp_path / "more", IMAGES[::-1], 20, cls=LABELS))
    found = TarImages([str(shards), str(tmp_path / "more")], pipeline=LOAD)
    one, other = opened(shards), opened(tmp_path / "more")
    assert len(found) == 64
    for row in (0, 31, 32, 63):
        part = one[row] if row < 32 else other[row - 32]
        np.testing.assert_array_equal(found[row]["img"], part["img"])
    assert fingerprint(found) not in (fingerprint(one), fingerprint(other))
    names, sizes = found.names_and_sizes()
    names = "\0".join(names).split("\0")
    assert names[:2] == ["0/train-000000.tar", "0000.png"]
    assert names[36:39] == ["0031.png", "1/train-000000.tar", "0000.png"]
    assert sizes.tolist() == [len(image) for image in (*IMAGES, *IMAGES[::-1])]


def test_a_spawned_worker_maps_the_index_for_itself(shards):
    found = opened(shards)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))[5]["img"], found[5]["img"])
    assert copy.deepcopy(found).indexes[0] is found.indexes[0]


def test_names_do_not_depend_on_how_images_were_chosen(shards):
    rows = [3, 4, 5, 7, 8, 30, 2, 2]
    some = opened(shards, indices=rows)
    one_by_one, before = [], None
    for row in rows:
        if row // 7 != before:
            one_by_one.append(f"0/train-{row // 7:06d}.tar")
        before = row // 7
        one_by_one.append(f"{row:04d}.png")
    assert "\0".join(some.names_and_sizes()[0]).split("\0") == one_by_one
    everything = opened(shards, indices=list(range(32)))
    assert fingerprint(everything) == fingerprint(opened(shards))


def test_shards_elsewhere_are_the_same_images_and_others_are_not(tmp_path, shards):
    saved = fingerprint(opened(shards))
    for name, images in (("moved", IMAGES), ("turned", IMAGES[::-1])):
        index(write_shards(tmp_path / name, images, 7))
    index(write_shards(tmp_path / "packed", IMAGES, 8))
    assert difference(saved, opened(tmp_path / "moved")) is None  # without labels beside them
    assert "other pictures" in difference(saved, opened(tmp_path / "turned"))
    assert "or in another order" in difference(saved, opened(tmp_path / "packed"))


def test_some_shards_of_a_folder_have_an_index_of_their_own(tmp_path, shards):
    write_shard(shards / "val-000000.tar", {"a.png": IMAGES[0], "a.cls": b"0"})
    with pytest.raises(HCSCError, match=r"1 are not in the index, the first is val-"):
        opened(shards)
    index(shards, "train-*.tar")
    index(shards, "val-*.tar")
    assert len(opened(shards, shards="train-*.tar")) == 32
    assert len(opened(shards, shards="val-*.tar")) == 1


def changed(folder):
    write_shard(folder / "train-000001.tar", {"a.png": IMAGES[0]})


def touched(folder):
    os.utime(folder / "train-000001.tar", (0, 0))


def lost(folder):
    (folder / "train-000001.tar").unlink()


def cut(folder):
    os.truncate(folder / "shards.index", 500)


def emptied(folder):
    os.truncate(folder / "shards.index", 0)


def of_another_kind(folder):
    (folder / "shards.index").write_bytes(b"something else, which is longer than sixteen bytes")


def removed(folder):
    (folder / "shards.index").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed, r"1 of the 5 shards .* have changed since .* is train-000001\.tar; run .*again"),
        (touched, r"1 of the 5 shards .* have changed since"),
        (lost, r"1 of the 5 shards .* are not there, the first is train-000001\.tar; bring"),
        (cut, "is no whole index"),
        (emptied, "cannot read"),
        (of_another_kind, r"is no whole index \(it is of another format\)"),
        (removed, r"have no index .*shards\.index; run .*index.shards.* once"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused_in_a_line_with_the_command(
    shards, change, message
):
    change(shards)
    with pytest.raises(HCSCError, match=message) as error:
        opened(shards)
    assert "\n" not in str(error.value)
    assert f"index_shards.py {shards}" in str(error.value)


def test_a_copy_that_keeps_whole_seconds_fits_its_index(shards):
    path = shards / "train-000001.tar"
    os.utime(path, (0, int(path.stat().st_mtime)))
    assert len(opened(shards)) == 32


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"a.png": b"1", "a.jpg": b"2"}, {}, r"a\.png and a\.jpg in one sample; .*--image-key png"),
        ({"a.bin": b"1"}, {}, "no image in the 1 shards"),
        ({"a.png": b"1", "a.cls": b"x\xff"}, {}, r"a\.cls in .* holds no label"),
        ({"a.png": b"1", "a.json": b"[1"}, dict(label_key="json.y"), "holds no label"),
        ({"a.png": b"1", "a.json": b"{}"}, dict(label_key="json.y"), "holds no label .KeyError"),
        (
            {"a.png": b"1", "a.json": b'{"y": [1]}'},
            dict(label_key="json.y"),
            r"holds \[1\], which is no label",
        ),
        ({"a.png": b"1", "a.cls": b"-1"}, {}, "labels go from -1 to -1; labels number the classes"),
        ({"a.png": b"1", "a.cls": b"20240101"}, {}, "labels go from 20240101 to"),
        ({"a.png": b"1", "a.cls": b"0", "b.png": b""}, {}, r"b\.png in t\.tar has no label \.cls"),
        ({"a.png": b"1"}, dict(label_key="txt"), r"a\.png in t\.tar has no label \.txt beside it"),
    ],
)
def test_what_cannot_be_indexed_is_refused_with_the_option_that_helps(
    tmp_path, files, options, message
):
    write_shard(tmp_path / "t.tar", files)
    with pytest.raises(HCSCError, match=message) as error:
        index(tmp_path, **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "shards.index").exists()


def test_one_of_several_images_of_a_sample_is_chosen_by_its_ending(tmp_path):
    files = {"d/a.left.png": IMAGES[0], "d/a.Right.PNG": IMAGES[1], "d/b.left.png": IMAGES[2]}
    write_shard(tmp_path / "t.tar", files)
    done = index(tmp_path, image_key="right.png")
    assert (done.images, done.without_image) == (1, 1)
    assert opened(tmp_path).get_data_info(0)["img_path"].endswith("/d/a.Right.PNG")


def test_damaged_and_compressed_shards_are_refused(tmp_path, shards):
    os.truncate(shards / "train-000001.tar", 1000)
    with pytest.raises(HCSCError, match=r"train-000001\.tar is compressed, or damaged"):
        index(shards)
    subprocess.run(["gzip", "-f", shards / "train-000001.tar"], check=True)
    (shards / "train-000001.tar.gz").rename(shards / "train-000001.tar")
    with pytest.raises(HCSCError, match=r"train-000001\.tar is compressed, or damaged"):
        index(shards)
    with pytest.raises(HCSCError, match=r"no file in .* fits shards='\*\.tar'"):
        opened(tmp_path)


def test_an_unreadable_image_is_named_and_a_shard_that_lost_its_end_is_noticed(tmp_path):
    write_shard(tmp_path / "t.tar", {"a.png": IMAGES[0], "b.png": b"no image"})
    index(tmp_path)
    found = opened(tmp_path)
    with pytest.raises(HCSCError, match=r"cannot read image shards://.*/t\.tar@\d+\+8/b\.png"):
        found[1]
    os.truncate(tmp_path / "t.tar", 600)  # while the run is on
    with pytest.raises(HCSCError, match=r"cannot read image .*ends within the image"):
        found[0]


def test_an_unreadable_image_is_skipped_and_another_stands_in_for_it(tmp_path):
    write_shard(tmp_path / "t.tar", {"a.png": IMAGES[0], "b.png": b"no image"})
    index(tmp_path)
    load = dict(type="hcsc_mm.LoadImage", unreadable="skip")
    pipeline = [load, dict(type="PackInputs", meta_keys=["sample_idx"])]
    packed = TarImages(str(tmp_path), pipeline=pipeline)[1]["data_samples"]
    assert packed.sample_idx == 0
    assert set(packed.skipped) == {1}


def test_a_memory_keeps_what_shards_hold(shards):
    found, expected = opened(shards, memory=dict(budget_mb=10)), opened(shards)
    for _ in range(2):
        for row in range(32):
            np.testing.assert_array_equal(found[row]["img"], expected[row]["img"])
    assert found.memory.num_kept == 32


def test_the_tool_writes_what_the_data_set_reads(tmp_path, capfd):
    write_shards(tmp_path / "s", IMAGES, 7, cls=LABELS)
    tool = [sys.executable, ROOT / "tools" / "index_shards.py"]
    options = ["--shards", "train-*.tar", "--index", tmp_path / "elsewhere.index", "--workers", "2"]
    command = [*tool, tmp_path / "s", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "32 images in 5 shards, 3 different labels" in done.stdout
    found = opened(tmp_path / "s", shards="train-*.tar", index=str(tmp_path / "elsewhere.index"))
    assert found.labels().tolist() == LABELS
    within_a_file = tmp_path / "elsewhere.index" / "more.index"
    for options, message in (
        ([tmp_path], "error: no file in "),
        ([tmp_path / "s", "--index", within_a_file], "error: the index cannot be written ("),
    ):
        done = run_here(capfd, "index_shards.py", *options, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(message)


def test_options_that_shards_have_no_use_for_are_refused(shards):
    with pytest.raises(HCSCError, match=r"hcsc_mm\.TarImages has no ann_file; leave it out"):
        opened(shards, ann_file="list.txt")
    with pytest.raises(HCSCError, match=r"shards='\*/\*\.tar' is to be a pattern of names in one"):
        opened(shards, shards="*/*.tar")
    with pytest.raises(HCSCError, match="index names 1 files for 2 folders"):
        TarImages([str(shards), "/x"], index=str(shards / "shards.index"))
