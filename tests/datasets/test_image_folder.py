"""Any folder of images."""

import os

import pytest
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.jpg", "b/1.png", "a/deep/er/3.jpeg", "z.JPG", "b/10.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "b/notes.txt").write_text("no image")
    return tmp_path


def listed(dataset, folder):
    return [
        os.path.relpath(dataset.get_data_info(index)["img_path"], folder)
        for index in range(len(dataset))
    ]


def test_images_at_any_depth_are_found_and_nothing_else(folder):
    assert sorted(listed(ImageFolder(str(folder)), folder)) == sorted(
        ["a/deep/er/3.jpeg", "b/1.png", "b/10.jpg", "b/2.jpg", "z.JPG"]
    )


def test_the_order_is_sorted_whatever_the_file_system_says(folder, monkeypatch):
    plain = listed(ImageFolder(str(folder)), folder)
    assert [name for name in plain if name.startswith("b")] == ["b/1.png", "b/10.jpg", "b/2.jpg"]
    scan = os.scandir

    class Backwards(list):
        def __enter__(self):
            return iter(self)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(
        os,
        "scandir",
        lambda *args: Backwards(sorted(scan(*args), key=lambda entry: entry.name, reverse=True)),
    )
    monkeypatch.setattr(
        os, "listdir", lambda *args, listdir=os.listdir: sorted(listdir(*args), reverse=True)
    )
    assert listed(ImageFolder(str(folder)), folder) == plain


def test_there_are_no_labels(folder):
    assert "gt_label" not in ImageFolder(str(folder)).get_data_info(0)


def test_a_list_names_the_images_and_their_order(folder):
    (folder / "list.txt").write_text("z.JPG\nb/1.png\n")
    assert listed(ImageFolder(str(folder), ann_file="list.txt"), folder) == ["z.JPG", "b/1.png"]
    assert listed(ImageFolder(str(folder), ann_file=str(folder / "list.txt")), folder) == [
        "z.JPG",
        "b/1.png",
    ]


def test_the_tilde_is_the_home_directory(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert len(ImageFolder("~/b")) == 3


def test_a_folder_with_unusual_names_is_read(tmp_path):
    (tmp_path / "mon dossier é").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "mon dossier é" / "img [1] ü.png")
    assert listed(ImageFolder(str(tmp_path)), tmp_path) == ["mon dossier é/img [1] ü.png"]


def test_no_folder_is_refused_with_what_to_set():
    for nothing in ({}, {"data_root": None}, {"data_root": []}):
        with pytest.raises(HCSCError, match="no image folder is given; set data_root"):
            ImageFolder(**nothing)


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(HCSCError, match=f"the image folder {tmp_path}/absent does not exist"):
        ImageFolder(str(tmp_path / "absent"))


def test_a_file_is_no_folder(folder):
    with pytest.raises(HCSCError, match=r"data_root is the file .* and no folder of images"):
        ImageFolder(str(folder / "z.JPG"))


@pytest.mark.parametrize("content", [[], ["notes.txt"]], ids=["empty", "no_images"])
def test_a_folder_without_images_is_refused_by_name_with_the_extensions(tmp_path, content):
    for name in content:
        (tmp_path / name).write_text("no image")
    with pytest.raises(HCSCError, match=rf"no image under {tmp_path}; supported are .*\.jpg"):
        len(ImageFolder(str(tmp_path)))


def test_a_missing_list_is_refused_by_name(folder):
    with pytest.raises(HCSCError, match=f"the list of images {folder}/absent.txt does not exist"):
        ImageFolder(str(folder), ann_file="absent.txt")


def test_an_empty_list_is_refused(folder):
    (folder / "list.txt").write_text("")
    with pytest.raises(HCSCError, match="no image"):
        len(ImageFolder(str(folder), ann_file="list.txt"))
