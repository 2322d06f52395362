"""Are these the images that a checkpoint was trained on?"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from logged import logged
from mmpretrain.datasets import CustomDataset
from PIL import Image
from stores import web_server
from tiny import folder_config, train

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder, LabelledImages
from hcsc_mm.datasets.fingerprint import _of_names_alone, difference, fingerprint


def pictures(folder, seed=0, number=100, ending="png"):
    """Two classes whose files have the same names."""
    random = np.random.default_rng(seed)
    for index in range(number):
        path = folder / "ab"[index % 2] / f"{index // 2:03}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return folder


def of(root, kind=ImageFolder, **options):
    return kind(data_root=root, serialize_data=False, **options)


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "here")


def swap_classes(folder):
    (folder / "a").rename(folder / "c")
    (folder / "b").rename(folder / "a")
    (folder / "c").rename(folder / "b")


def replace(share):
    def change(folder):
        files = sorted(folder.rglob("*.png"))
        for path in files[: int(share * len(files))]:
            Image.new("RGB", (9, 9)).save(path)

    return change


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda folder: pictures(folder, seed=1), "other pictures under the same names"),
        (swap_classes, "other pictures under the same names"),
        (replace(0.2), "other pictures under the same names"),
        (lambda folder: (folder / "a").rename(folder / "z"), "other images, or in another order"),
        (lambda folder: (folder / "a/000.png").rename(folder / "a/x.png"), "other images"),
        (
            lambda folder: (folder / "a/049.png").rename(folder / "b/050.png"),
            "other images, or in another order",
        ),
        (lambda folder: (folder / "a/000.png").unlink(), "other images"),
    ],
    ids=["all", "classes", "a fifth", "folder", "name", "moved", "one less"],
)
def test_other_images_are_noticed(folder, change, how):
    saved = fingerprint(of(str(folder)))
    change(folder)
    assert how in difference(saved, of(str(folder)))


def test_other_pictures_of_the_same_size_are_noticed(tmp_path):
    first, second = (pictures(tmp_path / str(seed), seed, ending="bmp") for seed in (0, 1))
    assert "other pictures" in difference(fingerprint(of(str(first))), of(str(second)))


def test_order_and_choice_count(folder):
    dataset = of(str(folder))
    saved = fingerprint(dataset)
    (folder / "list.txt").write_text(
        "\n".join(f"{name}/{index:03}.png" for name in "ba" for index in range(50))
    )
    assert difference(saved, of(str(folder), ann_file="list.txt")) is not None
    assert difference(saved, of(str(folder), indices=50)) is not None
    assert fingerprint(of(str(folder), indices=50)) == fingerprint(of(str(folder), indices=50))


@pytest.mark.parametrize(
    "again",
    [
        lambda folder, other: of(str(other)),
        lambda folder, other: of(f"{folder}/"),
        lambda folder, other: of(str(folder), LabelledImages),
        lambda folder, other: of(str(folder.parent), data_prefix="here"),
        lambda folder, other: of(os.path.relpath(folder)),
        lambda folder, other: of(str(zipped(folder))),
        lambda folder, other: of(str(folder), LabelledImages, ann_file=str(listed(folder))),
    ],
    ids=["moved", "slash", "labelled", "prefix", "relative", "zip", "list"],
)
def test_the_same_images_elsewhere_are_the_same(folder, tmp_path, again):
    saved = fingerprint(of(str(folder)))
    shutil.copytree(folder, tmp_path / "deep/er/there")
    assert difference(saved, again(folder, tmp_path / "deep/er/there")) is None
    assert fingerprint(again(folder, tmp_path / "deep/er/there")) == saved


def zipped(folder):
    with zipfile.ZipFile(folder.parent / "a.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    return folder.parent / "a.zip"


def listed(folder):
    lines = [f"{path.relative_to(folder)} 0" for path in sorted(folder.rglob("*.png"))]
    (folder.parent / "list.txt").write_text("\n".join(lines))
    return folder.parent / "list.txt"


def test_data_sets_of_other_libraries_have_one_too(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "there")
    first, second = (CustomDataset(data_root=str(root)) for root in (folder, tmp_path / "there"))
    assert difference(fingerprint(first), second) is None
    pictures(tmp_path / "there", seed=1)
    second = CustomDataset(data_root=str(tmp_path / "there"))
    assert difference(fingerprint(first), second) is not None


def test_roots_may_move_but_not_change_places(tmp_path):
    for name in ("one", "two", "moved/one", "moved/two"):
        pictures(tmp_path / name, seed=len(name) + (name[-1] == "o"), number=10)
    shutil.rmtree(tmp_path / "moved")
    saved = fingerprint(of([str(tmp_path / "one"), str(tmp_path / "two")]))
    shutil.copytree(tmp_path / "two", tmp_path / "far/away/2")
    assert difference(saved, of([str(tmp_path / "one"), str(tmp_path / "far/away/2")])) is None
    assert difference(saved, of([str(tmp_path / "two"), str(tmp_path / "one")])) is not None


@pytest.mark.parametrize("number", [12, 100])
def test_an_image_may_be_mended(tmp_path, monkeypatch, number):
    folder = pictures(tmp_path / "here", number=number)
    (folder / "a/000.png").write_bytes(b"half an image")
    saved = fingerprint(of(str(folder)))
    Image.new("RGB", (8, 8)).save(folder / "a/000.png")
    with logged(monkeypatch) as lines:
        assert difference(saved, of(str(folder))) is None
    assert any("have changed since the checkpoint" in line.text for line in lines)


def first_edition(paths):
    return hashlib.sha256("\n".join(os.path.basename(path) for path in paths).encode()).hexdigest()


def test_fingerprints_of_the_first_edition_are_compared_as_they_were(folder):
    dataset = of(str(folder))
    paths = [dataset.get_data_info(row)["img_path"] for row in range(len(dataset))]
    assert difference(first_edition(paths), dataset) is None
    pictures(folder, seed=1)
    assert difference(first_edition(paths), of(str(folder))) is None
    assert difference(first_edition(paths[::-1]), dataset) is not None


@pytest.fixture
def in_base(folder, tmp_path):
    """Name of a data base → a data set of it with the folder's list; images may be others there."""
    lmdb = pytest.importorskip("lmdb")
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.png"))]
    (tmp_path / "names.txt").write_text("\n".join(names))

    def opened(name, change=lambda row, content: content):
        path = str(tmp_path / name)
        with lmdb.open(path, map_size=2**24) as base, base.begin(write=True) as step:
            for row, key in enumerate(names):
                content = (folder / key).read_bytes()
                step.put(f"keys/{key}".encode(), change(row, content))
        options = dict(backend="lmdb", db_path=path)
        return of("keys", ann_file=str(tmp_path / "names.txt"), backend_args=options)

    return opened


def test_a_data_base_is_told_by_the_sizes_of_its_values_and_what_they_begin_with(folder, in_base):
    first = in_base("one")
    assert fingerprint(first) == fingerprint(of(str(folder)))
    longer = in_base("two", lambda row, content: content + b" " * (row % 2))
    assert "other pictures under the same names" in difference(fingerprint(first), longer)
    others = in_base("three", lambda row, content: content[::-1])  # of equal sizes
    assert "other pictures under the same names" in difference(fingerprint(first), others)
    names = fingerprint(first).split(":")[1]
    lost = in_base("four")
    lost.data_list[50]["img_path"] += "é"  # no key of mmengine's
    assert fingerprint(lost).split(":")[1] != names


def test_where_names_alone_are_known_names_alone_are_compared(folder, in_base):
    saved = in_base("one")
    known = fingerprint(saved)
    _, names, _ = known.split(":")
    alone = f"v2:{names}:{_of_names_alone(100)}"  # a checkpoint from before values were looked at
    assert difference(alone, saved) is None
    assert difference(f"v2:{names[::-1]}:{_of_names_alone(100)}", saved) is not None
    with web_server(folder) as address:
        (folder / "list.txt").write_text((folder.parent / "names.txt").read_text())
        far = of(address, ann_file="list.txt")
        assert fingerprint(far) == alone
        assert difference(known, far) is None


def test_names_that_are_no_text_have_a_fingerprint(folder):
    (folder / "a/000.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    assert fingerprint(of(str(folder))).startswith("v2:")


def edition(checkpoint, images):
    state = torch.load(checkpoint, weights_only=False)
    state["hierarchical_clustering"]["images"] = images
    torch.save(state, checkpoint)


def test_resume_goes_on_with_the_same_images_only(tmp_path):
    images = pictures(tmp_path / "images", number=32)
    cfg = folder_config(tmp_path, images)
    cfg.train_cfg.max_epochs = 1
    train(cfg)
    dataset = of(str(images))
    checkpoint = tmp_path / "run/epoch_1.pth"
    assert torch.load(checkpoint, weights_only=False)["hierarchical_clustering"]["images"] == (
        fingerprint(dataset)
    )
    paths = [dataset.get_data_info(row)["img_path"] for row in range(len(dataset))]

    def resumed():
        again = folder_config(tmp_path, images)
        again.resume, again.load_from = True, str(checkpoint)
        return train(again)[0].epoch

    edition(checkpoint, first_edition(paths))
    assert resumed() == 2
    edition(checkpoint, fingerprint(dataset))
    pictures(images, seed=1, number=32)
    with pytest.raises(HCSCError, match="trained on other pictures under the same names"):
        resumed()
