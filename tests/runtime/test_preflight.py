"""What cannot work is found before the first step, with what to change."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image
from tiny import Record, folder_config, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

RESIZE = dict(type="Resize", scale=16)
PACK = dict(type="PackInputs")
NORMALIZE = dict(type="Normalize", mean=[120.0] * 3, std=[58.0] * 3)
LOADER = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="hcsc_mm.Digits", split="test", pipeline=[RESIZE, PACK]),
)
TRAIN = "train_dataloader__dataset__pipeline"
CLUSTER = "default_hooks__clustering__pipeline"


def views(*transforms, pack=PACK):
    return [dict(type="MultiView", num_views=2, transforms=[list(transforms)]), pack]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {TRAIN: views(RESIZE, pack=dict(type="PackInputs", meta_keys=["img_path"]))},
            "the samples of the training pipeline have no sample_idx",
        ),
        ({TRAIN: [RESIZE, PACK]}, "trains on at least two views"),
        ({TRAIN: views(RESIZE, NORMALIZE)}, "leave Normalize and scaling out of the pipeline"),
        (
            {TRAIN: views(dict(type="Resize", scale=-1))},
            "the training pipeline does not work",
        ),
        ({TRAIN: [PACK, RESIZE]}, "what the training pipeline gives cannot be used"),
        ({CLUSTER: views(RESIZE)}, "the clustering pipeline gives several views"),
        ({CLUSTER: [dict(type="Resize", scale=-1), PACK]}, "clustering pipeline does not work"),
        ({CLUSTER: [RESIZE]}, "the clustering pipeline does not work"),
        (
            {
                "val_dataloader": LOADER,
                "val_cfg": {},
                "val_evaluator": dict(type="Accuracy"),
            },
            "HCSC learns without labels and predicts nothing that val_dataloader",
        ),
        ({"model__neck__in_channels": 33}, r"ProjectionNeck\(in_channels=33\) got features"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(tmp_path, options, message):
    with pytest.raises(HCSCError, match=message) as error:
        train(tiny_config(tmp_path, **options))
    assert "\n" not in error.value.one_line()
    assert not list(tmp_path.glob("*.pth"))


@pytest.fixture
def photographs(tmp_path):
    """Of several sizes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(32):
        pixels = np.full((24, 24 + index % 3, 3), 8 * index, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02}.png")
    return folder


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_clustering_pipeline_without_a_crop_is_found_before_the_warm_up(
    tmp_path, photographs, num_workers
):
    cfg = folder_config(tmp_path, photographs)
    cfg.train_dataloader.num_workers = num_workers
    cfg.default_hooks.clustering.pipeline = [dict(type="hcsc_mm.LoadImage"), PACK]
    cfg.default_hooks.clustering.warmup_epochs = 1
    with pytest.raises(HCSCError, match=r"the clustering pipeline does not work: .*stack expects"):
        train(cfg)
    assert not list((tmp_path / "run").glob("*.pth"))


def test_loaders_of_other_hooks_are_tried_too(tmp_path):
    labelled = dict(batch_size=16, num_workers=0)
    good = dict(labelled, dataset=dict(LOADER["dataset"], split="train"))
    bad = dict(labelled, dataset=dict(LOADER["dataset"], pipeline=[RESIZE]))
    hook = dict(type="hcsc_mm.KNNMonitorHook", train_dataloader=good, val_dataloader=bad)
    with pytest.raises(HCSCError, match=r"KNNMonitorHook's val_dataloader does not work"):
        train(tiny_config(tmp_path, default_hooks__knn=hook))


def test_a_random_clustering_pipeline_is_warned_of(tmp_path):
    pipeline = [dict(type="RandomResizedCrop", scale=16), PACK]
    train(tiny_config(tmp_path, train_cfg__max_epochs=2, **{CLUSTER: pipeline}))
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert log.count("The clustering pipeline is random") == 1


def test_queue_of_an_epoch_or_more_is_warned_of_once_with_the_number(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=2, model__queue_len=100 - 16))
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert log.count("The queue of 84 keys holds an epoch of 100 images or more") == 1
    assert "set model.queue_len to at most 50" in log


class Before(Hook):
    """Weights, statistics and generators as the first step meets them."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 0:
            self.state = {name: v.clone() for name, v in runner.model.state_dict().items()}
            self.generator = torch.get_rng_state()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_is_tried_leaves_no_trace(tmp_path, num_workers):
    """With dropout, which draws, and statistics, which move, in the network."""
    found = {}
    for name, options in (("tried", {}), ("not", {"default_hooks__preflight": None})):
        cfg = tiny_config(
            tmp_path / name,
            train_cfg__max_epochs=2,
            train_dataloader__num_workers=num_workers,
            **options,
        )
        runner, before, record = build_runner(cfg), Before(), Record()
        runner.register_hook(before)
        runner.register_hook(record)
        runner.train()
        found[name] = before, record
    (tried, one), (alone, other) = found.values()
    assert all(torch.equal(tried.state[name], alone.state[name]) for name in tried.state)
    assert torch.equal(tried.generator, alone.generator)
    assert one.losses == other.losses
