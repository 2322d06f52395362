"""A Hugging Face data set on disk gives the images that a folder of the same files gives."""

import copy
import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest
from mmengine.config import Config
from rows import encoded, rows_of, save_rows
from tiny import folder_config, train

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ImageFolder
from hcsc_mm.datasets.fingerprint import difference, fingerprint
from hcsc_mm.datasets.hf_images import HFImages

datasets = pytest.importorskip("datasets")
PIXELS = np.random.default_rng(3).integers(0, 256, (32, 20, 24, 3), dtype=np.uint8)
LOAD = [dict(type="hcsc_mm.LoadImage")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Parquet files are converted here."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """The same images as files, in the same order."""
    (tmp_path / "files").mkdir()
    for row, content in enumerate(encoded(PIXELS)):
        (tmp_path / "files" / f"{row:02d}.png").write_bytes(content)
    return tmp_path / "files"


def rows(tmp_path, as_parquet=False, **arguments) -> HFImages:
    if as_parquet:
        made = rows_of(encoded(PIXELS), [row % 3 for row in range(32)], ["a", "b", "c"])
        (tmp_path / "rows").mkdir(exist_ok=True)
        for part in range(2):
            name = f"train-{part:05d}-of-00002.parquet"
            made.shard(2, part, contiguous=True).to_parquet(str(tmp_path / "rows" / name))
    else:
        save_rows(PIXELS, tmp_path / "rows")
    return HFImages(str(tmp_path / "rows"), pipeline=LOAD, **arguments)


@pytest.mark.parametrize("as_parquet", [False, True])
def test_images_are_a_folder_s_in_the_rows_order(tmp_path, folder, as_parquet):
    found, expected = rows(tmp_path, as_parquet), ImageFolder(str(folder), pipeline=LOAD)
    assert len(found) == len(expected) == 32
    for index in range(32):
        np.testing.assert_array_equal(found[index]["img"], expected[index]["img"])
        assert found[index]["sample_idx"] == index


def test_training_on_rows_gives_the_losses_of_training_on_files(tmp_path, folder):
    cfg = folder_config(tmp_path, folder)
    _, expected = train(cfg)
    save_rows(PIXELS, tmp_path / "rows")
    other = folder_config(tmp_path / "other", folder)
    pipeline = copy.deepcopy(other.train_dataloader.dataset.pipeline)
    path = str(tmp_path / "rows")
    other.train_dataloader.dataset = Config(
        dict(type="hcsc_mm.HFImages", path=path, pipeline=pipeline)
    )._cfg_dict
    _, found = train(other)
    assert found.losses == expected.losses


def test_labels_and_their_names_are_read(tmp_path):
    found = rows(tmp_path, label_key="label")
    assert [found.get_data_info(row)["gt_label"] for row in range(4)] == [0, 1, 2, 0]
    assert found.CLASSES == ("a", "b", "c")


def test_a_spawned_worker_opens_the_rows_for_itself(tmp_path):
    found = rows(tmp_path)
    copied = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copied[5]["img"], found[5]["img"])


def test_the_same_rows_elsewhere_are_the_same_images_and_others_are_not(tmp_path):
    one = rows(tmp_path)
    save_rows(PIXELS, tmp_path / "moved")
    save_rows(PIXELS[::-1], tmp_path / "turned")
    saved = fingerprint(one)
    assert difference(saved, HFImages(str(tmp_path / "moved"), pipeline=LOAD)) is None
    assert "order" in difference(saved, HFImages(str(tmp_path / "turned"), pipeline=LOAD))


def test_an_unreadable_row_is_named(tmp_path):
    files = encoded(PIXELS[:3])
    files[1] = b"no image"
    rows_of(files, [0, 0, 0], ["a"]).save_to_disk(str(tmp_path / "rows"))
    with pytest.raises(HCSCError, match=r"rows!all!image/0000001-8-"):
        HFImages(str(tmp_path / "rows"), pipeline=LOAD)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(split="test"), "has the splits all, and split='test' is none of them"),
        (dict(image_key="img"), "no column image_key='img'; it has image, label"),
        (dict(label_key="class"), "no column label_key='class'; it has image, label"),
        (dict(image_key="label"), "column 'label' holds .*, and not images; cast it"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(tmp_path, arguments, message):
    with pytest.raises(HCSCError, match=message):
        rows(tmp_path, **arguments)


def test_a_folder_of_something_else_is_refused(tmp_path, folder):
    with pytest.raises(HCSCError, match="holds no data set that Hugging Face's library opens"):
        HFImages(str(folder))
    with pytest.raises(HCSCError, match="does not exist"):
        HFImages(str(tmp_path / "nowhere"))


def test_rows_that_only_name_files_are_refused(tmp_path, folder):
    names = [str(path) for path in sorted(folder.iterdir())]
    made = datasets.Dataset.from_dict({"image": names}).cast_column("image", datasets.Image())
    pq.write_table(made.data.table, tmp_path / "train.parquet")
    with pytest.raises(HCSCError, match=r"row 0 of .* has no image in it, but the name of a file"):
        HFImages(str(tmp_path / "train.parquet"))[0]
