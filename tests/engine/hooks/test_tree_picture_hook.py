"""The tree's top in TensorBoard, in W&B and beside the log, read back from what was written."""

from io import BytesIO

import numpy as np
import pytest
import torch
from cases import unit_rows
from distributed_workers import nearest_images, run_on_ranks
from PIL import Image
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine.hooks import TreePictureHook
from hcsc_mm.visualization import ImageRow, draw_image_rows

CURVES = ("hcsc/embedding_std", "hcsc/effective_rank", "hcsc/level0/size_entropy")


def config(tmp_path, **backend):
    cfg = tiny_config(tmp_path, default_hooks__collapse__interval=2)
    cfg.visualizer.name = str(tmp_path)  # mmengine keeps visualizers by their names
    if backend:
        cfg.visualizer.vis_backends.append(backend)
    return cfg


def newest(tmp_path):
    (path,) = tmp_path.rglob("tree_top.jpg")
    return np.asarray(Image.open(path))


def test_tensorboard_has_a_picture_of_each_clustering_and_the_curves(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(config(tmp_path, type="TensorboardVisBackend"))
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    board = reader.EventAccumulator(str(events), size_guidance={reader.IMAGES: 0}).Reload()
    pictures = board.Images("hcsc/tree_top")
    # before epochs 2 and 3 of 6 steps each, and of the final weights
    assert [picture.step for picture in pictures] == [6, 12, 18]
    for picture in pictures:
        pixels = np.asarray(Image.open(BytesIO(picture.encoded_image_string)))
        assert pixels.shape == newest(tmp_path).shape
        assert len(np.unique(pixels)) > 30
    scalars = board.Tags()["scalars"]
    for name in CURVES:
        assert len(board.Scalars(name)) >= 2, scalars


def test_wandb_without_a_connection_has_the_picture_and_the_curves(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    train(config(tmp_path, type="WandbVisBackend", init_kwargs=dict(mode="offline", project="t")))
    (run,) = tmp_path.rglob("run-*.wandb")
    assert run.stat().st_size > 0
    pictures = list(run.parent.rglob("files/media/images/hcsc/tree_top_*.png"))
    assert len(pictures) == 3
    assert {Image.open(path).size[::-1] for path in pictures} == {newest(tmp_path).shape[:2]}
    written = run.read_bytes()
    assert all(name.encode() in written for name in CURVES)


def test_local_files_alone_get_a_picture_only_when_asked(tmp_path):
    train(config(tmp_path / "plain"))
    assert not list((tmp_path / "plain").rglob("tree_top*"))
    cfg = config(tmp_path / "asked")
    cfg.default_hooks.tree_picture.update(always=True, rows=2, columns=3, tile=16)
    train(cfg)
    assert newest(tmp_path / "asked").shape == (2 * 12 + 24 + 2 * 18, 2 * 12 + 92 + 3 * 18, 3)


def test_every_second_clustering_is_shown(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    cfg = config(tmp_path, type="TensorboardVisBackend")
    cfg.default_hooks.tree_picture.interval = 2
    train(cfg)
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    board = reader.EventAccumulator(str(events)).Reload()
    assert board.Images("hcsc/tree_top")[-1].step == 18  # the third of three


def test_training_is_the_same_with_and_without(tmp_path):
    weights = []
    for name, always in (("with", True), ("without", False)):
        cfg = config(tmp_path / name)
        cfg.default_hooks.tree_picture.always = always
        runner, record = train(cfg)
        weights.append((runner.model.state_dict(), record.losses))
    assert weights[0][1] == weights[1][1]
    assert largest_difference(weights[0][0], weights[1][0]) == 0


def test_images_that_are_not_loaded_in_time_stay_grey(tmp_path):
    cfg = config(tmp_path)
    cfg.default_hooks.tree_picture.update(always=True, seconds=1e-9)
    train(cfg)
    tile = newest(tmp_path)[12 + 24 + 20, 12 + 92 + 20]
    assert np.abs(tile.astype(int) - 211).max() <= 3  # lightgray, in JPEG


def test_nearest_images_are_those_of_all_ranks_and_unreadable_ones_are_left_out(tmp_path):
    features, prototypes = unit_rows(11, 8), unit_rows(3, 8, seed=1)
    expected = (prototypes @ features[1:].T).topk(4).indices + 1  # image 0 cannot be read
    assert torch.equal(nearest_images(), expected)
    for rank in run_on_ranks([nearest_images], 2, tmp_path):
        assert torch.equal(rank["nearest_images"], expected)


def test_rows_are_labelled_and_as_wide_as_the_longest():
    red = np.zeros((5, 9, 3), np.uint8)
    red[..., 0] = 255
    picture = np.asarray(
        draw_image_rows("title", [ImageRow("3 images", [red, None]), ImageRow("1", [red])], tile=10)
    )
    assert picture.shape == (2 * 12 + 24 + 2 * 12, 2 * 12 + 92 + 2 * 12, 3)
    assert picture[36 + 5, 104 + 5].tolist() == [255, 0, 0]
    assert picture[36 + 5, 104 + 12 + 5].tolist() == [211, 211, 211]
    assert picture[36 + 12 + 5, 104 + 12 + 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 0}, "rows=0 of TreePictureHook must be at least 1"),
        ({"tile": 4}, "tile=4 of TreePictureHook must be at least 8"),
        ({"interval": 0}, "interval=0"),
        ({"seconds": 0}, "seconds=0 of TreePictureHook must be above 0"),
    ],
)
def test_wrong_numbers_are_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        TreePictureHook(**options)
