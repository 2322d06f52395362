"""Labels that agree in number and not in meaning."""

from __future__ import annotations

import pytest
from logged import logged
from mmpretrain.datasets import CustomDataset
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import LabelledImages, check_same_classes, same_classes


@pytest.fixture
def lists(tmp_path):
    """Lists of images by their labels."""
    (tmp_path / "images").mkdir()

    def write(name, labels, kind=LabelledImages, **options):
        lines = []
        for place, label in enumerate(labels):
            Image.new("RGB", (2, 2)).save(tmp_path / f"images/{name}_{place}.png")
            lines.append(f"images/{name}_{place}.png {label}")
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
        return kind(
            data_root=str(tmp_path), ann_file=f"{name}.txt", serialize_data=False, **options
        )

    return write


NAMED = {"classes": [f"class {number}" for number in range(6)]}


@pytest.mark.parametrize(
    ("train", "test", "options", "message"),
    [
        ([1, 2, 3, 3], [0, 1, 2], {}, "1 of 3 test images have labels that no training image .* 0"),
        ([1, 2, 3], [0, 0, 2], NAMED, r"2 of 3 test images .*: 0 \(class 0\); does one list count"),
        ([0, 1, 2], [1, 2, 3], {}, r"labels up to 3, .* up to 2; .*\(does one count from 1\?\)"),
        ([1, 2, 3], [0, 1, 2], {**NAMED, "kind": CustomDataset}, "1 of 3 test images have labels"),
    ],
)
def test_lists_of_which_one_counts_from_1_are_refused(lists, train, test, options, message):
    with pytest.raises(HCSCError, match=message) as error:
        check_same_classes(lists("train", train, **options), lists("test", test, **options))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("train", "test", "options", "message"),
    [
        ([0, 2, 4], [0, 1, 3, 3], {}, "3 of 4 test images have labels that no training image has"),
        ([0, 2, 5], [1, 1, 3, 4], {}, "has: 1, 3, 4; does one list count from 1?"),
        ([0, 9], [1, 2, 3, 4], {}, "has: 1, 2, 3, …; does one"),
        ([0, 2, 4], [0, 1], NAMED, "has: 1 (class 1); does one list count from 1?"),
        ([0, 1, 2, 3], [1, 2, 3], {}, "no test image has label 0, and all other labels have some"),
        ([0, 1, 2], [0, 1], {}, None),
        ([0, 1, 2], [2], {}, None),
    ],
)
def test_labels_that_cannot_be_learnt_are_warned_of(
    lists, monkeypatch, train, test, options, message
):
    sets = lists("train", train, **options), lists("test", test, **options)
    with logged(monkeypatch) as lines:
        check_same_classes(*sets)
    assert [line.level for line in lines] == [30] * (message is not None)
    assert all(message in line.text for line in lines)


def in_folders(root, name, labels):
    """A list of two images in each folder; the folders are the classes."""
    lines = []
    for folder, label in labels.items():
        (root / name / folder).mkdir(parents=True, exist_ok=True)
        for place in range(2):
            Image.new("RGB", (2, 2)).save(root / name / folder / f"{place}.png")
            lines.append(f"{folder}/{place}.png {label + place * (label == 9)}")
    (root / name / "list.txt").write_text("\n".join(lines))
    return LabelledImages(str(root / name), ann_file="list.txt", serialize_data=False)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({"ant": 0, "bee": 1, "cat": 2}, {"ant": 2, "bee": 1, "cat": 0}, "in 2 of 3 folders"),
        ({"ant": 0, "bee": 1, "cat": 2}, {"ant": 1, "bee": 2}, "ant is 0 there and 1 here"),
        ({"ant": 0, "bee": 1, "cat": 2}, {"ant": 0, "bee": 1}, None),
        ({"ant": 0, "bee": 1, "fox": 0}, {"ant": 1, "bee": 0}, None),  # folders are no classes
        ({"ant": 0, "bee": 9, "cat": 2}, {"ant": 2, "cat": 0}, None),  # nor here
        ({"ant": 0, "bee": 1}, {"cow": 1, "dog": 0}, None),
    ],
)
def test_lists_that_number_the_same_folders_otherwise_are_warned_of(
    tmp_path, monkeypatch, train, test, message
):
    sets = in_folders(tmp_path, "train", train), in_folders(tmp_path, "test", test)
    with logged(monkeypatch) as lines:
        check_same_classes(*sets)
    said = [line.text for line in lines if "other labels in the training list" in line.text]
    assert len(said) == (message is not None) and all(message in text for text in said)


def test_training_images_of_one_class_are_warned_of(lists, monkeypatch):
    with logged(monkeypatch) as lines:
        check_same_classes(lists("train", [0, 0, 0]), lists("test", [0, 0]))
    assert [line.text.split(":")[0] for line in lines] == [
        "all 3 training images are of one class, 0"
    ]


def test_a_part_of_a_list_is_judged_by_its_own_labels(lists):
    train, test = lists("train", [0, 1, 1]), lists("test", [0, 1, 1])
    check_same_classes(train, test)
    with pytest.raises(HCSCError, match="1 of 3 test images"):
        check_same_classes(lists("train", [0, 1, 1], indices=[1, 2]), test)


@pytest.mark.parametrize(
    ("test", "most_compared", "message"),
    [
        ("train.txt", 300_000, "4 of 4 test images are training images, too"),
        ("some.txt", 300_000, "1 of 2 test images are training images, too"),
        ("train.txt", 5, "4 of 4 test images are training images, too"),
        ("other.txt", 300_000, None),
        ("other.txt", 5, None),
    ],
)
def test_test_images_that_were_learnt_from_are_warned_of(
    lists, tmp_path, monkeypatch, test, most_compared, message
):
    train = lists("train", [0, 0, 1, 1])
    lists("other", [0, 0, 1, 1])
    (tmp_path / "some.txt").write_text("images/train_0.png 0\nimages/other_2.png 1")
    monkeypatch.setattr(same_classes, "_MOST_COMPARED", most_compared)
    judged = LabelledImages(data_root=f"{tmp_path}/images/..", ann_file=test)
    with logged(monkeypatch) as lines:
        check_same_classes(train, judged)
    assert [line.text.split(";")[0].split(":")[0] for line in lines] == [message] * bool(message)


def test_labels_with_large_gaps_are_warned_of(lists, monkeypatch):
    with logged(monkeypatch) as lines:
        lists("train", [0, 1, 999_999])
    assert any("labels up to 999999, of which 3 are used" in line.text for line in lines)
