"""What of a folder is its images, and what is said of the rest."""

from __future__ import annotations

import unicodedata

import pytest
from logged import logged
from PIL import Image

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder, LabelledImages, LoadImage, check_same_classes, file_kinds
from hcsc_mm.datasets.file_kinds import EXTENSIONS
from hcsc_mm.datasets.transforms.pictures import FORMATS

READ = ("jpg", "jpeg", "jpe", "jfif", "png", "gif", "avif", "jp2", "j2k", "tif", "tiff", "bmp")
READ += ("webp", "ppm", "pgm", "pbm", "pnm", "mpo", "heic", "heif")


def picture(path, image=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    formats = {".mpo": "MPO", ".pnm": "PPM", ".jpe": "JPEG", ".jfif": "JPEG", ".hif": "HEIF"}
    (image or Image.new("RGB", (16, 16), (200, 100, 0))).save(path, formats.get(path.suffix))


def folder(root, **options):
    return ImageFolder(str(root), pipeline=[LoadImage()], serialize_data=False, **options)


@pytest.mark.parametrize("ending", READ)
def test_every_format_that_is_read_is_listed(tmp_path, ending):
    pytest.importorskip("pillow_heif")
    picture(tmp_path / f"a.{ending}")
    (tmp_path / f"b.{ending.upper()}").write_bytes((tmp_path / f"a.{ending}").read_bytes())
    dataset = folder(tmp_path)
    assert [dataset[index]["img"].shape for index in range(len(dataset))] == [(16, 16, 3)] * 2


@pytest.mark.parametrize(
    ("names", "said", "level"),
    [
        ((), "2 images under {root}", 20),
        (("a.txt", "b.txt", "c.json"), "; files of other kinds: 2 .txt, 1 .json", 20),
        (("README",), "1 without an ending", 20),
        (("a.NEF", "b.dcm"), "1 .dcm, 1 .nef", 30),
        (("a.svg", "deep/er/b.psd"), "1 .psd, 1 .svg", 30),
        (("Thumbs.db", "sub/thumbs.db", "desktop.ini"), "left out: 1 Thumbs.db, 1 desktop.ini", 20),
        (("@eaDir/a.png/SYNOPHOTO_THUMB_XL.jpg", "sub/@eaDir/b.jpg"), "left out: 2 @eaDir", 20),
        (("__MACOSX/._a.png", "__MACOSX/a.png"), "left out: 1 __MACOSX", 20),
        (("._a.png", ".DS_Store", ".thumbnails/a.png"), "left out: 3 hidden names", 20),
        (("lost+found/a.png", "$RECYCLE.BIN/b.png", "#recycle/c.png"), "1 lost+found", 20),
        (("System Volume Information/a.png",), "1 System Volume Information", 20),
        (("Icon\r",), r"left out: 1 Icon\r", 20),
    ],
)
@pytest.mark.parametrize("kind", ["ImageFolder", "LabelledImages"])
def test_what_is_not_taken_is_counted(tmp_path, monkeypatch, names, said, level, kind):
    for name in ("x/1.png", "y/2.png"):
        picture(tmp_path / name)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image of the set")
    with logged(monkeypatch) as lines:
        dataset = {"ImageFolder": ImageFolder, "LabelledImages": LabelledImages}[kind](
            str(tmp_path), serialize_data=False
        )
    assert len(dataset) == 2
    (line,) = [line for line in lines if "images under" in line.text]
    assert said.format(root=tmp_path) in line.text
    assert line.level == level
    assert "\n" not in line.text


def test_heic_without_its_plug_in_is_named_with_what_reads_it(tmp_path, monkeypatch):
    formats = [name for name in FORMATS if name != "HEIF"]
    monkeypatch.setattr(file_kinds, "_NOT_READ_HERE", file_kinds.endings_not_read(formats))
    extensions = file_kinds.endings_read(formats)
    picture(tmp_path / "b.png")
    (tmp_path / "a.heic").write_bytes(b"")
    (tmp_path / "list.txt").write_text("a.heic\nb.png\n")
    with logged(monkeypatch) as lines:
        assert len(folder(tmp_path, extensions=extensions)) == 1
        assert len(folder(tmp_path, ann_file="list.txt", extensions=extensions)) == 2
    kinds = "1 .heic (pip install pillow-heif)"
    assert f"1 images under {tmp_path}; files of other kinds: {kinds}, 1 .txt" in lines[0].text
    assert lines[1].text.endswith(f"list.txt are not read here: {kinds}")
    assert [line.level for line in lines] == [30, 30]
    with pytest.raises(HCSCError, match=r"\.heic, which is not read here; pip install pillow-heif"):
        folder(tmp_path, extensions=(".HEIC",))


@pytest.mark.parametrize(
    ("extensions", "found"),
    [(".png", 1), ((".PNG",), 1), ([".png", ".jpg"], 2), ((".dat",), 1), (EXTENSIONS, 2)],
)
def test_extensions_are_an_option(tmp_path, extensions, found):
    for name in ("a.png", "b.jpg"):
        picture(tmp_path / name)
    (tmp_path / "a.png").with_suffix(".dat").write_bytes((tmp_path / "a.png").read_bytes())
    assert len(folder(tmp_path, extensions=extensions)) == found


@pytest.mark.parametrize("extensions", ["png", ("png",), (), [".png", 3], None])
def test_extensions_that_would_find_nothing_are_refused(tmp_path, extensions):
    picture(tmp_path / "a.png")
    with pytest.raises(HCSCError, match="must be endings of file names with their dot"):
        folder(tmp_path, extensions=extensions)


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def labelled(root, **options):
    return LabelledImages(str(root), serialize_data=False, **options)


def test_one_name_composed_and_decomposed_is_one_class(tmp_path):
    for part, name in (("train", COMPOSED), ("test", DECOMPOSED)):
        for label in (name, "tea"):
            picture(tmp_path / part / label / "a.png")
    train, test = (labelled(tmp_path, data_prefix=part) for part in ("train", "test"))
    check_same_classes(train, test)
    assert train.metainfo["classes"] == test.metainfo["classes"] == (COMPOSED, "tea")
    for names in ([DECOMPOSED, "tea"], [COMPOSED, "tea"]):
        dataset = labelled(tmp_path, data_prefix="train", classes=names)
        assert [dataset.get_data_info(row)["gt_label"] for row in range(2)] == [0, 1]
    metainfo = {"classes": (DECOMPOSED, "tea")}
    assert len(labelled(tmp_path, data_prefix="test", metainfo=metainfo)) == 2


def test_both_spellings_in_one_folder_are_one_class(tmp_path):
    for number, name in enumerate((COMPOSED, DECOMPOSED)):
        picture(tmp_path / name / f"{number}.png")
    assert labelled(tmp_path).metainfo["classes"] == (COMPOSED,)


@pytest.mark.parametrize("on_disk", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("in_list", [COMPOSED, DECOMPOSED])
def test_lists_name_files_in_either_spelling(tmp_path, on_disk, in_list):
    picture(tmp_path / on_disk / f"{on_disk}.png")
    (tmp_path / "list.txt").write_text(f"{in_list}/{in_list}.png 0\n", encoding="utf-8")
    (tmp_path / "names.txt").write_text(f"{in_list}.png\n", encoding="utf-8")
    for dataset in (
        labelled(tmp_path, ann_file="list.txt"),
        ImageFolder(str(tmp_path), ann_file="list.txt", serialize_data=False),
        labelled(tmp_path, listed="names.txt"),
    ):
        assert dataset.get_data_info(0)["img_path"] == f"{tmp_path}/{on_disk}/{on_disk}.png"
