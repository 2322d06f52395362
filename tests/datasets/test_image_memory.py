"""Decoded images in memory: once for all epochs, the same for all that is computed from them."""

import copy
import pickle

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torch.utils.data import DataLoader

from hcsc_mm import HCSCError
from hcsc_mm.datasets import ExtractionView, ImageFolder, ImageMemory, LoadImage, image_memory
from hcsc_mm.datasets.image_memory import available_memory

LOAD = [dict(type="hcsc_mm.LoadImage"), dict(type="PackInputs")]
SIZES = [(48, 64), (64, 48), (40, 40), (30, 90), (48, 64), (50, 60)]  # height, width


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for number, (height, width) in enumerate(SIZES):
        pixels = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def images_of(folder, memory, pipeline=LOAD):
    return ImageFolder(data_root=str(folder), pipeline=pipeline, memory=memory)


def epoch(dataset, num_workers=0):
    """The images in order, and the files' shapes."""
    loader = DataLoader(
        dataset, batch_size=None, num_workers=num_workers, multiprocessing_context=None
    )
    return [(sample["inputs"], sample["data_samples"].ori_shape) for sample in loader]


def remove_files(folder):
    for path in folder.glob("*.png"):
        path.unlink()


def assert_equal(first, second):
    assert len(first) == len(second)
    for (pixels, shape), (other, other_shape) in zip(first, second, strict=True):
        assert torch.equal(pixels, other) and shape == other_shape


@pytest.mark.parametrize("num_workers", [0, 2])
def test_each_file_is_read_once_whoever_decodes_it(folder, num_workers):
    expected = epoch(images_of(folder, None))
    dataset = images_of(folder, dict(budget_mb=1))
    assert_equal(epoch(dataset, num_workers), expected)
    assert dataset.memory.num_kept == len(SIZES)
    remove_files(folder)
    assert_equal(epoch(dataset, num_workers), expected)


def test_large_images_are_shrunk_and_know_their_files_shape(folder):
    dataset = images_of(folder, dict(budget_mb=1, short_side=24))
    for _ in range(2):
        shapes = [(tuple(pixels.shape[1:]), shape) for pixels, shape in epoch(dataset)]
        assert shapes == list(
            zip([(24, 32), (32, 24), (24, 24), (16, 48), (24, 32), (24, 29)], SIZES, strict=True)
        )


def test_an_image_is_the_same_with_and_without_room(folder, caplog):
    kept = images_of(folder, dict(budget_mb=1, short_side=24))
    too_small = images_of(folder, dict(budget_mb=0.001, short_side=24))
    epoch(kept)
    assert_equal(epoch(kept), epoch(too_small))
    assert too_small.memory.num_kept == 0


def test_the_log_says_what_is_kept_and_what_not(folder, monkeypatch):
    lines = []
    monkeypatch.setattr(image_memory, "print_log", lambda text, logger: lines.append(text))
    images_of(folder, dict(budget_mb=1, short_side=24))
    images_of(folder, dict(budget_mb=0.03))
    # 3 bytes for each pixel of the 6 images, and a tenth more
    assert lines == [
        "6 images are kept in memory once decoded, shorter side at most 24: about 0.014 MiB of "
        "budget_mb=1",
        "images are decoded anew in each epoch, not kept in memory: they would take about "
        "0.052 MiB, and budget_mb is 0.03",
    ]


def test_the_clustering_s_view_finds_what_training_has_decoded(folder):
    dataset = images_of(folder, dict(budget_mb=1))
    expected = epoch(dataset)
    remove_files(folder)
    view = ExtractionView(dataset, LOAD)
    assert all(
        torch.equal(view[index]["inputs"], expected[index][0]) for index in range(len(SIZES))
    )


def test_a_subset_never_gets_another_image(folder):
    dataset = images_of(folder, dict(budget_mb=1))
    expected = epoch(dataset)
    subset = dataset.get_subset([4, 2])
    assert_equal(epoch(subset), [expected[4], expected[2]])


def test_the_caller_s_copy_is_its_own(folder):
    memory = ImageMemory([str(folder / "0.png")], budget_mb=1)
    memory.keep(0, "0.png", np.zeros((4, 4, 3), np.uint8), (8, 8))
    memory.recall(0, "0.png")[0][:] = 255
    pixels, original = memory.recall(0, "0.png")
    assert not pixels.any() and original == (8, 8)


def test_what_finds_no_room_is_not_kept(folder):
    memory = ImageMemory([str(folder / f"{number}.png") for number in range(6)], budget_mb=0.1)
    for number in range(6):
        memory.keep(number, str(number), np.full((100, 100, 3), number, np.uint8), (100, 100))
    assert memory.num_kept == 3  # 30,000 bytes each of 104,857
    assert memory.recall(3, "3") is None
    assert all((memory.recall(number, str(number))[0] == number).all() for number in range(3))


def test_an_image_kept_twice_takes_room_once(folder):
    memory = ImageMemory([str(folder / f"{number}.png") for number in range(6)], budget_mb=0.1)
    for _ in range(5):
        memory.keep(0, "0", np.zeros((100, 100, 3), np.uint8), (100, 100))
    memory.keep(1, "1", np.ones((100, 100, 3), np.uint8), (100, 100))
    assert memory.num_kept == 2


def test_skipped_images_are_skipped_in_every_epoch(folder):
    (folder / "3.png").write_bytes(b"nothing")
    load = [dict(type="hcsc_mm.LoadImage", unreadable="skip"), dict(type="PackInputs")]
    dataset = images_of(folder, dict(budget_mb=1), load)
    for _ in range(2):
        assert 3 in dataset[3]["data_samples"].skipped
    assert dataset.memory.recall(3, str(folder / "3.png")) is None


def test_grey_images_are_decoded_each_time(folder):
    grey = [dict(type="hcsc_mm.LoadImage", color_type="grayscale"), dict(type="PackInputs")]
    dataset = images_of(folder, dict(budget_mb=1), grey)
    assert epoch(dataset)[0][0].shape == (1, 48, 64) and dataset.memory.num_kept == 0


def test_another_decoder_gets_images_of_its_own(folder):
    dataset = images_of(folder, dict(budget_mb=1))
    epoch(dataset)
    path = str(folder / "0.png")
    load = LoadImage(imdecode_backend="cv2")
    kept = {"img_path": path, "sample_idx": 0, "image_memory": dataset.memory}
    assert np.array_equal(load(kept)["img"], load({"img_path": path})["img"])
    assert dataset.memory.recall(0, path) is None  # under its decoder alone


def test_a_process_started_anew_decodes_for_itself(folder):
    memory = ImageMemory([str(folder / "0.png")], budget_mb=1, short_side=24)
    memory.keep(0, "0", np.zeros((4, 4, 3), np.uint8), (4, 4))
    other = pickle.loads(pickle.dumps(memory))
    assert other.recall(0, "0") is None and other.num_kept == 0
    assert other.shrink(np.zeros((48, 64, 3), np.uint8)).shape == (24, 32, 3)
    assert copy.deepcopy(memory) is memory


def test_half_of_the_free_memory_is_the_budget_by_default(folder):
    assert 0 < available_memory() < 2**50
    assert images_of(folder, dict()).memory.num_kept == 0


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (dict(budget=1), "memory has no option 'budget'; it has budget_mb, short_side, long_side"),
        (dict(budget_mb=0), "budget_mb=0 of an image memory must be above 0"),
        (dict(short_side=0), "short_side=0 of an image memory must be at least 1"),
        (dict(short_side=9, long_side=8), "at most long_side=8"),
        (dict(long_side=8), "needs a short_side"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder, memory, message):
    with pytest.raises(HCSCError, match=message):
        images_of(folder, memory)


def test_a_pipeline_without_our_loader_is_refused(folder):
    with pytest.raises(HCSCError, match=r"memory keeps what hcsc_mm\.LoadImage decodes"):
        images_of(folder, dict(), [dict(type="LoadImageFromFile"), dict(type="PackInputs")])


def test_a_run_learns_the_same_with_memory_and_without(folder, tmp_path):
    """Workers, augmentations and the clustering's features included."""
    for number in range(6, 32):
        shade = np.full((40, 40, 3), 8 * number, np.uint8)
        Image.fromarray(shade).save(folder / f"{number}.png")
    weights = []
    for name, budget in (("kept", 8), ("not", 0.001)):
        cfg = tiny.folder_config(tmp_path / name, folder)
        cfg.train_dataloader.num_workers = 1
        cfg.train_dataloader.dataset.memory = dict(budget_mb=budget, short_side=24)
        runner, _ = tiny.train(cfg)
        assert runner.train_dataloader.dataset.memory.num_kept == (32 if name == "kept" else 0)
        weights.append(runner.model.state_dict())
    assert tiny.largest_difference(*weights) == 0
