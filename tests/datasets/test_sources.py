"""Lists of images, several folders, archives and addresses."""

from __future__ import annotations

import tarfile
import zipfile

import numpy as np
import pytest
from logged import logged
from mmengine.config import Config
from PIL import Image
from stores import web_server
from torch.utils.data import DataLoader

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder, LabelledImages, LoadImage
from hcsc_mm.stages.prepare import missing_data, move_data

NAMES = ("x/0.png", "x/1.png", "y/0.png")


def photos(folder, shade=0):
    """Images whose red is their place plus a shade."""
    for place, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (place + shade, 0, 0)).save(folder / name)
    (folder / "list.txt").write_text("y/0.png 1\nx/0.png 0\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return photos(tmp_path / "photos")


def of(kind, root, **options):
    return kind(data_root=root, pipeline=[LoadImage()], serialize_data=False, **options)


def shades(dataset):
    return [int(dataset[index]["img"][0, 0, 2]) for index in range(len(dataset))]


LISTS = {
    "byte-order mark": b"\xef\xbb\xbfx/0.png\ny/0.png\n",
    "blank lines": b"\n\nx/0.png\n\n  \ny/0.png",
    "lines of Windows": b"x/0.png\r\ny/0.png\r\n",
    "lines of old Macs": b"x/0.png\ry/0.png\r",
    "labels behind": b"x/0.png 3\ny/0.png 12\n",
    "labels and coarse labels behind": b"x/0.png, 3, 1\ny/0.png, 12, 0\n",
    "spaces around": b"  x/0.png \t\n\ty/0.png\n",
    "paths with a detour": b"./x/0.png\nx/../y/0.png\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_list_of_paths_is_read_however_it_was_written(folder, kind):
    (folder / "odd.txt").write_bytes(LISTS[kind])
    assert shades(of(ImageFolder, str(folder), ann_file="odd.txt")) == [0, 2]


def test_name_that_ends_like_a_label_is_a_name(folder):
    Image.new("RGB", (8, 8), (77, 0, 0)).save(folder / "photo 1", "PNG")
    (folder / "odd.txt").write_text("photo 1\n")
    assert shades(of(ImageFolder, str(folder), ann_file="odd.txt")) == [77]


REFUSED_LISTS = {
    "empty": (b"", "no image in the list .*odd.txt"),
    "blank": (b"\n \n\n", "no image in the list .*odd.txt"),
    "missing": (b"x/0.png 0\n\nx/9.png 0\nz/0.png 0\n", r"2 of the 3 .*x/9\.png of line 3;"),
    "backslashes": (b"x\\0.png 0\n", r"x\\\\0\.png of line 1 \(write / for \\\)"),
    "UTF-16": ("x/0.png 0\n".encode("utf-16"), r"odd\.txt is UTF-16, not UTF-8; save it as"),
    "UTF-16, big-endian": (b"\xfe\xff" + "x/0.png 0\n".encode("utf-16-be"), "is UTF-16, not"),
    "UTF-16 without a mark": ("x/0.png 0\n".encode("utf-16-le"), "no text, or UTF-16"),
    "UTF-32": ("x/0.png 0\n".encode("utf-32"), "is UTF-32, not UTF-8"),
    "a program": (b"PK\x03\x04\x00\x00", "is no text, or UTF-16"),
}


@pytest.mark.parametrize("data_set", [ImageFolder, LabelledImages])
@pytest.mark.parametrize("kind", REFUSED_LISTS)
def test_list_is_refused_before_the_work_with_the_line(folder, kind, data_set):
    content, message = REFUSED_LISTS[kind]
    (folder / "odd.txt").write_bytes(content)
    with pytest.raises(HCSCError, match=message.replace(r"\\\\", r"\\")) as error:
        of(data_set, str(folder), ann_file="odd.txt")
    assert "\n" not in str(error.value)
    assert "\\x00" not in str(error.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("x/0.png 0\ny/0.png 1\nx/0.png 1", r"lines 1 and 3 of .* x/0\.png the labels 0 and 1"),
        ("x/0.png 0\n\n./x/0.png 1", r"lines 1 and 3 of .* x/0\.png the labels 0 and 1"),
        ("x/0.png 0\n{root}/x/0.png 1", r"lines 1 and 2 of .* x/0\.png the labels 0 and 1"),
        ("{root}/y/../x/0.png 0\nx/0.png 1", r"lines 1 and 2 of .* the labels 0 and 1"),
        ("x/0.png, 0, 0\nx/0.png, 0, 1", r"lines 1 and 2 .* the coarse labels 0 and 1"),
    ],
)
def test_two_labels_of_one_image_are_refused(folder, lines, message):
    (folder / "odd.txt").write_text(lines.format(root=folder))
    with pytest.raises(HCSCError, match=message):
        of(LabelledImages, str(folder), ann_file="odd.txt")


@pytest.mark.parametrize("data_set", [ImageFolder, LabelledImages])
def test_a_folder_in_a_list_is_no_image(folder, data_set):
    (folder / "odd.txt").write_text("x/0.png 0\n\ny 1\n")
    with pytest.raises(HCSCError, match=r"1 of the 2 images in .*odd\.txt are folders.* y of li"):
        of(data_set, str(folder), ann_file="odd.txt")


@pytest.mark.parametrize("data_set", [ImageFolder, LabelledImages])
def test_images_that_are_listed_twice_are_counted(folder, monkeypatch, data_set):
    (folder / "odd.txt").write_text("x/0.png 0\ny/0.png 1\nx/0.png 0\n")
    with logged(monkeypatch) as lines:
        assert len(of(data_set, str(folder), ann_file="odd.txt")) == 3
    assert any("the first is x/0.png in lines 1, 3; each counts" in line.text for line in lines)


@pytest.fixture
def two(tmp_path):
    return [str(photos(tmp_path / "one")), str(photos(tmp_path / "two", shade=100))]


def test_several_folders_are_one_data_set_also_with_equal_names(two):
    assert shades(of(ImageFolder, two)) == [0, 1, 2, 100, 101, 102]
    assert shades(of(ImageFolder, tuple(reversed(two)))) == [100, 101, 102, 0, 1, 2]
    assert shades(of(ImageFolder, two, data_prefix="x")) == [0, 1, 100, 101]
    assert shades(of(ImageFolder, two, ann_file="list.txt")) == [2, 0, 102, 100]


def test_a_class_may_have_a_folder_in_each_root(two, tmp_path):
    photos(tmp_path / "two" / "z", shade=50)
    dataset = of(LabelledImages, two)
    assert dataset.metainfo["classes"] == ("x", "y", "z")
    labels = [dataset.get_data_info(row)["gt_label"] for row in range(len(dataset))]
    assert labels == [0, 0, 1, 0, 0, 1, 2, 2, 2]
    dataset = of(LabelledImages, two, ann_file=["list.txt"] * 2, per_class=1)
    assert len(dataset) == 2


@pytest.mark.parametrize(
    ("roots", "options", "message"),
    [
        ([], {}, "no image folder is given"),
        (["one", ""], {}, "no image folder is given"),
        (["one", "three"], {}, "three does not exist"),
        (["one", "one"], {}, "one twice"),
        (["one", "one/x"], {}, "one/x in data_root lies within .*one, whose images"),
        (["one", "two"], {"ann_file": ["list.txt"]}, "names 1 lists for 2 folders"),
        (["one", "two"], {"ann_file": "/list.txt"}, "one list for 2 folders"),
        (["one", "two"], {"ann_file": "absent.txt"}, r"one/absent\.txt does not exist"),
    ],
)
def test_folders_that_do_not_go_together_are_refused(two, tmp_path, roots, options, message):
    with pytest.raises(HCSCError, match=message):
        of(ImageFolder, [root and str(tmp_path / root) for root in roots], **options)


def zipped(folder, path, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name in (*NAMES, "list.txt"):
            archive.write(folder / name, f"photos/{name}")
        archive.write(folder / NAMES[0], "__MACOSX/photos/x/._0.png")
    return path


def tarred(folder, path, mode="w"):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, "./photos")
    return path


@pytest.mark.parametrize(
    "pack",
    [
        lambda folder: zipped(folder, folder.parent / "a.zip"),
        lambda folder: zipped(folder, folder.parent / "a.zip", compression=zipfile.ZIP_DEFLATED),
        lambda folder: tarred(folder, folder.parent / "a.tar"),
    ],
    ids=["zip", "deflated zip", "tar"],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_archive_is_a_folder(folder, pack, num_workers):
    path = str(pack(folder))
    assert shades(of(ImageFolder, path)) == [0, 1, 2]
    dataset = of(LabelledImages, path, data_prefix="photos")
    assert dataset.metainfo["classes"] == ("x", "y")
    listed = of(LabelledImages, path, data_prefix="photos", ann_file="photos/list.txt")
    loader = DataLoader(listed, batch_size=None, num_workers=num_workers, collate_fn=None)
    for _ in range(2):  # workers share the open file
        assert [int(sample["img"][0, 0, 2]) for sample in loader] == [2, 0]


def cut(path, number):
    path.write_bytes(path.read_bytes()[:number])
    return path


def test_links_in_a_tar_are_images_like_those_on_a_disk(folder):
    path = folder.parent / "links.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder / NAMES[0], "x/0.png")
        for name, kind, target in (
            ("y/hard.png", tarfile.LNKTYPE, "x/0.png"),
            ("y/soft.png", tarfile.SYMTYPE, "../x/0.png"),
            ("y/twice.png", tarfile.SYMTYPE, "soft.png"),
            ("y/nowhere.png", tarfile.SYMTYPE, "absent.png"),
            ("y/itself.png", tarfile.SYMTYPE, "itself.png"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    dataset = of(LabelledImages, str(path))
    names = [dataset.get_data_info(index)["img_path"][-11:] for index in range(len(dataset))]
    assert len(names) == 6
    shown = [
        int(
            LoadImage()
            .transform({"img_path": dataset.get_data_info(index)["img_path"]})["img"]
            .max()
        )
        for index, name in enumerate(names)
        if not name.endswith(("nowhere.png", "itself.png"))
    ]
    assert len(shown) == 4 and len(set(shown)) == 1
    for index in (2, 3):
        with pytest.raises(HCSCError, match="cannot read image"):
            LoadImage().transform({"img_path": dataset.get_data_info(index)["img_path"]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: tarred(f, f.parent / "a.tar.gz", "w:gz"), "is compressed, or damaged"),
        (
            lambda f: zipped(f, f.parent / "a.zip", compression=zipfile.ZIP_LZMA),
            "not compressed by",
        ),
        (lambda f: (f.parent / "a.7z").write_bytes(b"7z") and f.parent / "a.7z", "unpack it, and"),
        (
            lambda f: (f.parent / "a.zip").write_bytes(b"PK") and f.parent / "a.zip",
            "is damaged, or not of the kind that its name says",
        ),
        (lambda f: cut(tarred(f, f.parent / "a.tar"), 100), "is damaged, or not of the kind"),
        (lambda f: f / NAMES[0], "data_root is the file .* and no folder of images"),
        (lambda f: "s3://bucket/photos", r"install petrel_client.*or mount it"),
        (lambda f: "gs://bucket/photos", "no file back end for it .*or mount it"),
        (lambda f: "http://127.0.0.1:9/photos", "cannot be listed; give ann_file"),
        (lambda f: f.parent / "absent.zip", "does not exist"),
    ],
)
def test_root_that_is_not_read_is_refused_with_what_is(folder, make, message):
    with pytest.raises(HCSCError, match=message) as error:
        of(ImageFolder, str(make(folder)))
    assert "\n" not in str(error.value)


@pytest.fixture
def server(folder):
    with web_server(folder) as address:
        yield address


def test_images_and_lists_are_read_from_a_web_server(folder, server):
    assert shades(of(ImageFolder, server, ann_file="list.txt")) == [2, 0]
    dataset = of(LabelledImages, server, ann_file=str(folder / "list.txt"))
    assert shades(dataset) == [2, 0]
    assert dataset.get_data_info(0)["img_path"] == f"{server}/y/0.png"
    with pytest.raises(HCSCError, match=r"cannot read http://.*absent"):
        of(ImageFolder, server, ann_file="absent.txt")
    (folder / "odd.txt").write_text("x/9.png\n")
    with pytest.raises(HCSCError, match=r"cannot read image http://.*x/9"):
        of(ImageFolder, server, ann_file="odd.txt")[0]


def test_images_are_read_from_a_data_base(folder, tmp_path):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path / "db"), map_size=2**24) as base, base.begin(write=True) as step:
        for name in NAMES:
            step.put(name.encode(), (folder / name).read_bytes())
    options = {"backend_args": dict(backend="lmdb", db_path=str(tmp_path / "db"))}
    dataset = of(LabelledImages, "", ann_file=str(folder / "list.txt"), **options)
    assert shades(dataset) == [2, 0]
    with pytest.raises(HCSCError, match="cannot be listed; give ann_file"):
        of(ImageFolder, "keys", **options)
    (folder / "odd.txt").write_text("x/9.png\n")
    with pytest.raises(HCSCError, match=r"cannot read image x/9\.png \(.*No such key"):
        of(ImageFolder, "", ann_file=str(folder / "odd.txt"), **options)[0]
    options["backend_args"]["db_path"] = str(tmp_path / "nowhere")
    with pytest.raises(HCSCError, match=r"the data base .*nowhere does not exist; mend db_path"):
        of(ImageFolder, "", ann_file=str(folder / "list.txt"), **options)


def test_stages_know_where_the_data_are(tmp_path, two):
    zipped(tmp_path / "one", tmp_path / "a.zip")
    roots = ["data/a", "data/b", "/elsewhere", "s3://bucket/photos"]
    cfg = Config(
        dict(
            several=dict(type="hcsc_mm.ImageFolder", data_root=list(roots)),
            archive=dict(type="hcsc_mm.ImageFolder", data_root=str(tmp_path / "a.zip")),
            base=dict(type="hcsc_mm.ImageFolder", data_root="keys", backend_args=dict(backend="x")),
        )
    )
    move_data(cfg, str(tmp_path))
    assert cfg.several.data_root == [f"{tmp_path}/a", f"{tmp_path}/b", *roots[2:]]
    assert missing_data(cfg) == [f"{tmp_path}/a", f"{tmp_path}/b", "/elsewhere"]


def test_white_of_remote_images_is_found_too(folder, server):
    for name in NAMES:
        Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(folder / name)
    load = LoadImage(white="auto")
    ImageFolder(server, ann_file="list.txt", pipeline=[load], serialize_data=False)
    assert load.white == 4095


def test_folders_archives_and_addresses_go_together(folder, tmp_path, server):
    other = photos(tmp_path / "other", shade=100)
    roots = [str(folder), str(zipped(other, tmp_path / "a.zip"))]
    assert shades(of(ImageFolder, roots)) == [0, 1, 2, 100, 101, 102]
    dataset = of(LabelledImages, roots, classes=["photos", "x", "y"])
    assert shades(dataset) == [0, 1, 2, 100, 101, 102]
    assert dataset.labels().tolist() == [1, 1, 2, 0, 0, 0]
    (folder / "odd.txt").write_text(f"x/0.png 0\n{server}/y/0.png 1\n{other}/x/1.png 1\n")
    for kind in (ImageFolder, LabelledImages):
        assert shades(of(kind, str(folder), ann_file="odd.txt")) == [0, 2, 101]
