"""Images with labels, from folders and from lists."""

import os
from collections import Counter
from functools import partial

import numpy as np
import pytest
from logged import logged
from mmpretrain.datasets import CustomDataset
from PIL import Image

from hcsc_mm import HCSCError, datasets
from hcsc_mm.datasets import Digits, check_same_classes
from hcsc_mm.datasets.label_list import read_label_list

LabelledImages = partial(
    datasets.LabelledImages, serialize_data=False
)  # serializing takes a quarter of a second, whatever the size


@pytest.fixture
def folder(tmp_path):
    """Three classes with 2, 3 and 5 images; one lies deeper."""
    for name, number in (("cat", 2), ("ant", 3), ("bee/wild", 5)):
        (tmp_path / name).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{name[:3]}_{index}.png")
    return tmp_path


def write(folder, *lines, name="list.txt"):
    (folder / name).write_text("\n".join(lines) + "\n")
    return name


def samples(dataset, folder):
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [info["sample_idx"] for info in infos] == list(range(len(infos)))
    return [(os.path.relpath(info["img_path"], folder), info["gt_label"]) for info in infos]


def test_first_folder_is_the_class_and_images_are_sorted(folder):
    dataset = datasets.LabelledImages(str(folder))
    assert dataset.metainfo["classes"] == ("ant", "bee", "cat")
    assert samples(dataset, folder)[:4] == [
        ("ant/ant_0.png", 0),
        ("ant/ant_1.png", 0),
        ("ant/ant_2.png", 0),
        ("bee/wild/bee_0.png", 1),
    ]
    assert "coarse_label" not in dataset.get_data_info(0)


def test_folders_agree_with_mmpretrains_data_set(folder):
    theirs = CustomDataset(data_root=str(folder))
    assert sorted(samples(LabelledImages(str(folder)), folder)) == sorted(samples(theirs, folder))


def test_list_keeps_its_order_and_takes_commas_spaces_and_coarse_labels(folder):
    (folder / "my cat, 1").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "my cat, 1" / "a b.png")
    write(
        folder, "\ufeffcat/cat_1.png, 2, 1", "", "my cat, 1/a b.png,0,  0", "ant/ant_0.png\t0 0\r"
    )
    dataset = LabelledImages(str(folder), ann_file="list.txt")
    assert samples(dataset, folder) == [
        ("cat/cat_1.png", 2),
        ("my cat, 1/a b.png", 0),
        ("ant/ant_0.png", 0),
    ]
    assert [dataset.get_data_info(index)["coarse_label"] for index in range(3)] == [1, 0, 0]
    assert dataset.metainfo["classes"] == ("0", "1", "2"), (
        "a class's place among the names is its label"
    )


def test_listed_paths_are_relative_to_the_prefix_and_the_list_to_the_root(folder):
    write(folder, "wild/bee_3.png 0")
    for ann_file in ("list.txt", str(folder / "list.txt")):
        assert samples(LabelledImages(str(folder), ann_file, data_prefix="bee"), folder) == [
            ("bee/wild/bee_3.png", 0)
        ]


@pytest.mark.parametrize(
    ("line", "image"),
    [
        ("a.png 3", ("a.png", 3, None)),
        ("a.png  3\t1", ("a.png", 3, 1)),
        ("a b.png,3", ("a b.png", 3, None)),
        ("a,b.png , 3", ("a,b.png", 3, None)),
        ("a,b.png 3", ("a,b.png", 3, None)),
        ("a, 7, 2, 1", ("a, 7", 2, 1)),
        ("a b,1.png, 2", ("a b,1.png", 2, None)),
    ],
)
def test_columns_are_told_apart_from_the_right(tmp_path, line, image):
    write(tmp_path, line)
    assert read_label_list(str(tmp_path / "list.txt")) == [image]


@pytest.mark.parametrize(
    "line",
    [
        "a, 1 2",
        "cat/cat_0.png",
        "cat/cat_0.png one",
        "my cat.png 1",
        "cat/cat_0.png, 1, 2, 3 4",
        ", 1",
    ],
)
def test_line_that_does_not_parse_is_named_by_its_number(folder, line):
    write(folder, "cat/cat_0.png 1", line)
    with pytest.raises(HCSCError, match=r"line 2 of .*list\.txt is no 'path label'"):
        LabelledImages(str(folder), ann_file="list.txt")


def test_negative_labels_and_columns_that_come_and_go_are_refused(folder):
    write(folder, "cat/cat_0.png 1", "cat/cat_1.png -1")
    with pytest.raises(HCSCError, match=r"line 2 of .*negative label"):
        LabelledImages(str(folder), ann_file="list.txt")
    write(folder, "cat/cat_0.png, 1, 1", "cat/cat_1.png, 1")
    with pytest.raises(HCSCError, match=r"line 2 of .*has 2 columns, unlike the first"):
        LabelledImages(str(folder), ann_file="list.txt")


def test_listed_images_that_do_not_exist_are_counted_and_the_first_is_named(folder):
    write(folder, "cat/cat_0.png 1", "cat/cat_9.png 1", "dog/dog_0.png 0")
    with pytest.raises(
        HCSCError, match=r"2 of the 3 images in .* do not exist, the first is .*cat_9\.png"
    ):
        LabelledImages(str(folder), ann_file="list.txt")


def test_classes_name_the_labels_of_a_list_and_bound_them(folder):
    write(folder, "cat/cat_0.png 1", "ant/ant_0.png 0")
    write(folder, "an ant", "a cat", name="names.txt")
    assert LabelledImages(str(folder), ann_file="list.txt", classes="names.txt").metainfo[
        "classes"
    ] == ("an ant", "a cat")
    with pytest.raises(HCSCError, match=r"cat_0\.png the label 1, but classes names 1"):
        LabelledImages(str(folder), ann_file="list.txt", classes=["an ant"])


def test_label_that_is_no_class_number_and_names_that_come_twice_are_refused(folder):
    write(folder, "cat/cat_0.png 20240131")
    with pytest.raises(
        HCSCError, match=r"cat_0\.png the label 20240131; labels number the classes from 0"
    ):
        LabelledImages(str(folder), ann_file="list.txt")
    with pytest.raises(HCSCError, match="classes has the name bee twice"):
        LabelledImages(str(folder), classes=["bee", "cat", "ant", "bee"])


def test_classes_fix_the_numbers_of_folders_and_refuse_others(folder):
    names = ["cat", "dog", "bee", "ant"]
    assert dict(samples(LabelledImages(str(folder), classes=names), folder))["ant/ant_0.png"] == 3
    with pytest.raises(HCSCError, match=r"1 folders under .* are not in classes, the first is ant"):
        LabelledImages(str(folder), classes=["bee", "cat"])


def test_images_outside_of_class_folders_are_refused(folder):
    Image.new("RGB", (4, 4)).save(folder / "loose.png")
    with pytest.raises(
        HCSCError, match=r"1 images under .* lie in no class's folder, the first is loose\.png"
    ):
        LabelledImages(str(folder))


def test_parts_of_a_data_set_are_no_classes(tmp_path):
    for name in ("Train/ant", "Train/bee", "val/ant", "val/bee"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name / "0.png")
    with pytest.raises(HCSCError, match="the folders Train, val would be the classes"):
        LabelledImages(str(tmp_path))
    assert len(LabelledImages(str(tmp_path), classes=["Train", "val"])) == 4
    assert LabelledImages(str(tmp_path), data_prefix="Train").metainfo["classes"] == ("ant", "bee")


def test_a_single_class_that_holds_the_others_is_warned_of(folder, tmp_path_factory, monkeypatch):
    above = tmp_path_factory.mktemp("above")
    (above / "photos").symlink_to(folder)
    with logged(monkeypatch) as lines:
        assert LabelledImages(str(above)).metainfo["classes"] == ("photos",)
    assert any(
        "of one class, photos: its 3 folders count for nothing" in line.text for line in lines
    )
    with logged(monkeypatch) as lines:
        LabelledImages(str(above), data_prefix="photos")
    assert not any("of one class" in line.text for line in lines)


def test_only_listed_images_are_kept_by_name_or_by_path(folder):
    write(folder, "bee_2.png", "cat/cat_0.png")
    dataset = LabelledImages(str(folder), listed="list.txt")
    assert samples(dataset, folder) == [("bee/wild/bee_2.png", 1), ("cat/cat_0.png", 2)]
    assert dataset.metainfo["classes"] == ("ant", "bee", "cat"), (
        "the subset keeps the numbers of all classes"
    )


def test_listed_names_that_are_nowhere_or_twice_are_refused(folder):
    write(folder, "bee_2.png", "dog_1.png")
    with pytest.raises(
        HCSCError, match=r"1 of the 2 images in .* are not in the data set, the first is dog_1\.png"
    ):
        LabelledImages(str(folder), listed="list.txt")
    Image.new("RGB", (4, 4)).save(folder / "cat" / "bee_2.png")
    write(folder, "bee_2.png")
    with pytest.raises(HCSCError, match=r"could be bee/wild/bee_2\.png or cat/bee_2\.png"):
        LabelledImages(str(folder), listed="list.txt")


def test_number_per_class_is_drawn_by_the_seed(folder):
    first, again, other = (
        samples(LabelledImages(str(folder), per_class=2, seed=seed), folder) for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first == sorted(first)
    assert Counter(label for _, label in first) == {0: 2, 1: 2, 2: 2}


def test_drawn_images_are_the_recorded_ones(folder):
    """Other machines and versions of NumPy must draw the same."""
    drawn = samples(LabelledImages(str(folder), per_class=1), folder)
    assert [path for path, _ in drawn] == ["ant/ant_2.png", "bee/wild/bee_4.png", "cat/cat_0.png"]


def test_share_per_class_leaves_at_least_one(folder):
    labels = [label for _, label in samples(LabelledImages(str(folder), per_class=0.4), folder)]
    assert Counter(labels) == {0: 1, 1: 2, 2: 1}
    assert len(LabelledImages(str(folder), per_class=1.0)) == 10


def test_more_per_class_than_a_class_has_names_class_and_number(folder):
    with pytest.raises(
        HCSCError, match="per_class=4 exceeds the 3 images of class ant; set at most 2"
    ):
        LabelledImages(str(folder), per_class=4)


@pytest.mark.parametrize("per_class", [0, -1, 0.0, 1.5, True])
def test_senseless_numbers_per_class_are_refused(folder, per_class):
    with pytest.raises(HCSCError, match="per_class="):
        LabelledImages(str(folder), per_class=per_class)


def test_coarse_classes_follow_from_the_classes(folder):
    dataset = LabelledImages(str(folder), coarse=[0, 0, 1])
    assert [dataset.get_data_info(index)["coarse_label"] for index in range(10)] == [0] * 8 + [
        1
    ] * 2
    with pytest.raises(HCSCError, match="coarse has 2 entries for 3 classes"):
        LabelledImages(str(folder), coarse=[0, 1])
    write(folder, "cat/cat_0.png, 1, 1")
    with pytest.raises(HCSCError, match="has coarse labels of its own"):
        LabelledImages(str(folder), ann_file="list.txt", coarse=[0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_root": "absent"}, "the image folder absent does not exist"),
        ({"ann_file": "absent.txt"}, r"absent\.txt does not exist"),
        ({"ann_file": "empty.txt"}, "no image in the list"),
        ({"listed": "absent.txt"}, r"cannot read .*absent\.txt"),
        ({"listed": "empty.txt"}, "no image is left"),
        ({"classes": "absent.txt"}, r"cannot read .*absent\.txt"),
        ({"data_prefix": "absent"}, "cannot list the image folder .*mend data_root or data_prefix"),
        ({"data_prefix": "void"}, "no image under"),
        ({"data_root": None}, "no image folder is given"),
        ({"classes": 3}, "classes=3 must be a list of the classes' names"),
        ({"per_class": "3"}, "per_class='3' must be a number of images"),
        ({"coarse": [0, 0, -1]}, "must hold the number of each class's coarse class"),
        ({"coarse": [0, 0, 0.7]}, "must hold the number of each class's coarse class"),
    ],
)
def test_what_is_missing_or_empty_is_refused(folder, options, message):
    (folder / "void").mkdir()
    write(folder, "", name="empty.txt")
    with pytest.raises(HCSCError, match=message) as error:
        LabelledImages(**{"data_root": str(folder), **options})
    assert "\n" not in str(error.value)


def test_same_classes_pass_and_other_names_are_named(folder, tmp_path_factory):
    train, other = LabelledImages(str(folder)), tmp_path_factory.mktemp("other")
    check_same_classes(train, LabelledImages(str(folder), per_class=1))
    for name in ("ant", "bee", "dog"):
        (other / name).mkdir()
        Image.new("RGB", (4, 4)).save(other / name / "0.png")
    with pytest.raises(
        HCSCError, match="cat only in the training set and dog only in the test set"
    ):
        check_same_classes(train, LabelledImages(str(other)))
    with pytest.raises(
        HCSCError, match="class 0 is ant in the training set and cat in the test set"
    ):
        check_same_classes(train, LabelledImages(str(folder), classes=["cat", "bee", "ant"]))


def test_test_list_may_lack_classes_and_have_no_others(folder):
    write(folder, "ant/ant_0.png 0", "bee/wild/bee_0.png 1", "cat/cat_0.png 2", name="train.txt")
    write(folder, "ant/ant_0.png 0", name="few.txt")
    write(folder, "ant/ant_0.png 3", name="more.txt")
    train, few, more = (
        LabelledImages(str(folder), ann_file=f"{name}.txt") for name in ("train", "few", "more")
    )
    check_same_classes(train, few)
    with pytest.raises(HCSCError, match="test set has labels up to 3, the training set up to 2"):
        check_same_classes(train, more)


def test_other_data_sets_are_compared_by_their_names_and_labels(folder):
    check_same_classes(Digits("train"), Digits("test"))
    with pytest.raises(HCSCError, match="different classes"):
        check_same_classes(Digits("train"), LabelledImages(str(folder)))
    write(folder, "ant/ant_0.png 0", "cat/cat_0.png 7")
    beyond = CustomDataset(
        data_root=str(folder), ann_file="list.txt", classes=("ant", "bee", "cat")
    )
    with pytest.raises(
        HCSCError, match=r"cat_0\.png of the test set has the label 7; there are 3 classes"
    ):
        check_same_classes(LabelledImages(str(folder)), beyond)
    unlabelled = CustomDataset(data_root=str(folder), with_label=False)
    with pytest.raises(HCSCError, match="the training set, a CustomDataset, names no classes"):
        check_same_classes(unlabelled, beyond)


def test_sample_carries_its_label_through_the_pipeline(folder):
    pipeline = [dict(type="hcsc_mm.LoadImage"), dict(type="mmpretrain.PackInputs")]
    packed = LabelledImages(str(folder), pipeline=pipeline)[9]
    assert int(packed["data_samples"].gt_label) == 2
    assert packed["data_samples"].sample_idx == 9
    assert np.asarray(packed["inputs"]).shape == (3, 4, 4)


def test_unreadable_image_of_a_test_set_is_never_replaced(folder):
    (folder / "cat" / "cat_1.png").write_bytes(b"this is no picture")
    pipeline = [
        dict(type="hcsc_mm.LoadImage", unreadable="skip"),
        dict(type="mmpretrain.PackInputs"),
    ]
    with pytest.raises(HCSCError, match=r"cat_1\.png of a test set cannot be read"):
        LabelledImages(str(folder), pipeline=pipeline, test_mode=True)[9]
    assert LabelledImages(str(folder), pipeline=pipeline)[9]["data_samples"].skipped
