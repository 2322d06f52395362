"""Linear and semi-supervised stages of ImageNet, Places205 and any folder: what their configs say,
and that all of it builds.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from labelled import labelled_folder
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import FUNCTIONS, DefaultScope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import DATASETS, HOOKS, METRICS, MODELS, PARAM_SCHEDULERS

from hcsc_mm.datasets import seed_worker
from hcsc_mm.models import LinearProbe
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.stages.prepare import fit_to_pretraining

CONFIGS = Path(__file__).parents[2] / "configs" / "benchmarks"
PARTS = ("train", "val", "test")

# name: (epochs, milestones, or period of a cosine, factor, lr, lr of the head, total batch)
RECIPES = {
    "linear_in1k": (100, [60, 80], 0.1, 5.0, 5.0, 256),
    "linear_places205": (100, 10, None, 3.0, 3.0, 256),
    "linear_places205_one-cosine": (100, 100, None, 3.0, 3.0, 256),
    "linear_folder": (100, [60, 80], 0.1, 5.0 * 64 / 256, 5.0 * 64 / 256, 64),
    "semi_1pct_in1k": (70, [30, 60], 0.1, 0.005, 0.02, 256),
    "semi_10pct_in1k": (70, [30, 60], 0.1, 0.005, 0.02, 256),
    "semi_folder": (70, [30, 60], 0.1, 0.005 * 64 / 256, 0.02 * 64 / 256, 64),
}
NAMES = list(RECIPES)
LINEAR = [name for name in NAMES if name.startswith("linear_")]
SEMI = [name for name in NAMES if name.startswith("semi_")]


@pytest.fixture(autouse=True)
def mmpretrain_scope():
    """Types without a prefix are mmpretrain's, as in training."""
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        yield


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / f"{name}.py")


@pytest.mark.parametrize("name", NAMES)
def test_recipe_is_the_published_one(name):
    config = load(name)
    epochs, milestones, factor, lr, head_lr, total_batch = RECIPES[name]
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (
        "SGD",
        pytest.approx(lr),
        0.9,
        0.0,
    )
    assert (
        config.train_dataloader.batch_size * config.get("num_gpus", 1)
        == config.auto_scale_lr.base_batch_size
        == total_batch
    )
    assert config.train_cfg.max_epochs == epochs
    model = MODELS.build(config.model)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(weight): name for name, weight in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        for weight in group["params"]:
            expected = head_lr if names[id(weight)].startswith("head.") else lr
            assert group["lr"] == pytest.approx(expected), names[id(weight)]
    length = 3 if name == "linear_places205" else 1  # this one moves at every step, of 3 an epoch
    schedule = PARAM_SCHEDULERS.build(
        {"end": epochs, **config.param_scheduler[0]},
        default_args={"optimizer": wrapper.optimizer, "epoch_length": length},
    )
    rates = []
    for _ in range(epochs * length):
        rates.append(wrapper.optimizer.param_groups[0]["lr"] / lr)
        wrapper.optimizer.step()
        schedule.step()
    if isinstance(milestones, list):
        expected = [
            factor ** sum(epoch >= milestone for milestone in milestones) for epoch in range(epochs)
        ]
    else:
        expected = [
            (1 + math.cos(math.pi * (step % (milestones * length)) / (milestones * length))) / 2
            for step in range(epochs * length)
        ]
    assert rates == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_model_is_a_resnet_50_that_wants_a_checkpoint(name):
    config = load(name)
    model = MODELS.build(config.model)
    assert isinstance(model, LinearProbe) == (name in LINEAR)
    assert isinstance(model, ImageClassifier)
    assert config.model.backbone.depth == 50
    assert config.model.backbone.init_cfg == {
        "type": "Pretrained",
        "checkpoint": None,
        "prefix": "backbone.",
    }
    assert model.head.num_classes == config.num_classes
    trained = {
        name.split(".")[0] for name, weight in model.named_parameters() if weight.requires_grad
    }
    assert trained == ({"head"} if name in LINEAR else {"backbone", "head"})
    blue = torch.zeros(3, 64, 64, dtype=torch.uint8)
    blue[0] = 255  # BGR, as images are loaded
    seen = model.data_preprocessor({"inputs": [blue, blue], "data_samples": None})["inputs"]
    expected = (torch.tensor([0.0, 0.0, 1.0]) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )  # RGB
    torch.testing.assert_close(seen[0, :, 0, 0], expected, atol=1e-4, rtol=1e-4)
    model.eval()
    assert model(seen, mode="tensor").shape == (2, config.num_classes)


@pytest.mark.parametrize("name", NAMES)
def test_data_root_stands_at_the_top_and_reaches_all_data_sets_and_test_is_val(name):
    config = load(name)
    assert isinstance(config.data_root, str)
    assert {config[f"{part}_dataloader"].dataset.data_root for part in PARTS} == {config.data_root}
    assert config.test_dataloader == config.val_dataloader
    assert config.test_evaluator == config.val_evaluator
    assert METRICS.build(config.test_evaluator).topk == (1, 5)
    assert (config.val_cfg, config.test_cfg) == ({}, {})
    assert "hcsc_mm.CheckLabelsHook" in [hook.type for hook in config.custom_hooks]
    assert config.default_hooks.checkpoint.get("save_best") is None, (
        "the last epoch counts, not the best on the test set"
    )


@pytest.mark.parametrize("name", NAMES)
def test_loaders_resume_exactly_and_hooks_build(name):
    config = load(name)
    for part in PARTS:
        loader = config[f"{part}_dataloader"]
        assert loader.persistent_workers is False
        assert FUNCTIONS.get(loader.worker_init_fn.type) is seed_worker
    assert config.train_cfg.type == "hcsc_mm.ResumableTrainLoop"
    assert config.default_hooks.checkpoint.type == "hcsc_mm.ResumableCheckpointHook"
    for hook in [*config.default_hooks.values(), *config.custom_hooks]:
        HOOKS.build(hook)


@pytest.mark.parametrize("name", NAMES)
def test_images_are_cropped_to_224_of_256(name, tmp_path):
    config = load(name)
    folder = labelled_folder(tmp_path, 1, 1)
    (folder / "list.txt").write_text(
        "\n".join(path.name for path in sorted((folder / "train").rglob("*.png")))
    )
    for part in PARTS:
        dataset = dict(
            config[f"{part}_dataloader"].dataset,
            data_root=str(folder),
            ann_file="",
            data_prefix="val",
            serialize_data=False,
        )
        if part == "train":
            dataset["data_prefix"] = "train"
            dataset["listed"] = "list.txt" if "listed" in dataset else None
        built = DATASETS.build(dataset)
        assert len(built) == 3
        packed = built[2]
        assert packed["inputs"].shape == (3, 224, 224)
        assert int(packed["data_samples"].gt_label) == 2
        steps = {step["type"]: step for step in dataset["pipeline"]}
        if (name, part) == ("linear_places205", "train"):
            assert steps["RandomCrop"]["crop_size"] == 224
        elif part == "train":
            assert steps["RandomResizedCrop"].get("crop_ratio_range", (0.08, 1.0)) == (0.08, 1.0)
        else:
            assert (steps["ResizeEdge"]["scale"], steps["ResizeEdge"]["edge"]) == (256, "short")
            assert built.test_mode


def test_the_released_training_on_places205_has_the_augmentations_of_moco():
    steps = {
        step["type"]: step for step in load("linear_places205").train_dataloader.dataset.pipeline
    }
    assert list(steps) == [
        "hcsc_mm.LoadImage",
        "RandomCrop",
        "RandomApply",
        "RandomGrayscale",
        "GaussianBlur",
        "RandomFlip",
        "PackInputs",
    ]
    jitter = steps["RandomApply"]["transforms"][0]
    assert [jitter[name] for name in ("brightness", "contrast", "saturation", "hue")] == [
        0.4,
        0.4,
        0.4,
        0.1,
    ]


@pytest.mark.parametrize("name", ["semi_1pct_in1k", "semi_10pct_in1k"])
def test_fine_tuning_on_imagenet_synchronises_batch_norms_also_in_a_chain(name):
    config = load_config(str(CONFIGS / f"{name}.py"))
    assert config.model.backbone.norm_cfg.type == "SyncBN"
    pretraining = load_config(str(CONFIGS.parent / "hcsc_r50_200e_in1k.py"))
    fit_to_pretraining(config, pretraining, "weights.pth")
    assert config.model.backbone.norm_cfg.type == "SyncBN"
    digits = load_config(str(CONFIGS.parent / "hcsc_r18_digits.py"))  # norms of splits
    fit_to_pretraining(config, digits, "weights.pth")
    assert config.model.backbone.norm_cfg == {"type": "SyncBN"}


def test_neighbours_on_imagenet_are_found_on_bicubic_images():
    config = load("knn_in1k")
    for loader in (config.test_dataloader, config.test_cfg.train_dataloader):
        load_image, resize, crop, _ = loader.dataset.pipeline
        assert load_image.type == "hcsc_mm.LoadImage"
        assert (resize.interpolation, resize.backend, resize.scale) == ("bicubic", "pillow", 256)
        assert crop.crop_size == 224


def test_semi_supervised_sets_are_the_lists_of_simclr_or_a_seeded_draw():
    assert load("semi_1pct_in1k").train_dataloader.dataset.listed == "1percent.txt"
    assert load("semi_10pct_in1k").train_dataloader.dataset.listed == "10percent.txt"
    dataset = load("semi_folder").train_dataloader.dataset
    assert (dataset.per_class, dataset.seed) == (0.1, 0)
    assert all(
        "per_class" not in load(name)[f"{part}_dataloader"].dataset
        for name in SEMI
        for part in ("val", "test")
    )


@pytest.mark.parametrize("name", ["linear_folder", "semi_folder"])
def test_options_in_a_folder_configs_docstring_change_what_they_say(name):
    path = CONFIGS / f"{name}.py"
    words = path.read_text().split('"""')[1].replace(". ", " ").split()
    config = load_config(str(path), dict(word.split("=", 1) for word in words if "=" in word))
    assert {config[f"{part}_dataloader"].dataset.data_root for part in PARTS} == {"/my/photos"}
    assert config.model.head.num_classes == 12
    assert config.train_dataloader.dataset.get("per_class") == (
        5 if name == "semi_folder" else None
    )
    model = MODELS.build(config.model)
    model.eval()
    assert model(torch.randn(1, 3, 64, 64), mode="tensor").shape == (1, 12)


def test_values_at_the_top_reach_what_follows_from_them(tmp_path):
    text = (
        (CONFIGS / "linear_folder.py")
        .read_text()
        .replace('"../_base_/', f'"{CONFIGS.parent}/_base_/')
    )
    for old, new in (
        ("num_classes = 10", "num_classes = 3"),
        ("image_size = 224", "image_size = 112"),
        ("batch_size = 64", "batch_size = 32"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "changed.py").write_text(text)
    config = Config.fromfile(tmp_path / "changed.py")
    assert config.model.head.num_classes == 3
    assert config.val_evaluator.topk == config.test_evaluator.topk == (1,)
    assert config.train_dataloader.dataset.pipeline[1].scale == 112
    assert (
        config.test_dataloader.dataset.pipeline[1].scale,
        config.test_dataloader.dataset.pipeline[2].crop_size,
    ) == (128, 112)
    assert config.optim_wrapper.optimizer.lr == pytest.approx(5 * 32 / 256)
    assert config.auto_scale_lr.base_batch_size == 32


def test_config_of_the_online_probe_in_the_documentation_builds(tmp_path):
    text = (CONFIGS.parents[1] / "docs" / "evaluation.md").read_text()
    (snippet,) = [part for part in text.split("```")[1::2] if "OnlineLinearProbeHook" in part]
    folder = labelled_folder(tmp_path / "photos")
    snippet = (
        snippet.removeprefix("python")
        .replace('"hcsc_r18', f'"{CONFIGS.parent}/hcsc_r18')
        .replace("/my/photos", str(folder))
    )
    (tmp_path / "my_probe.py").write_text(snippet)
    config = Config.fromfile(tmp_path / "my_probe.py")
    hook = HOOKS.build(config.default_hooks.probe)
    dataset = DATASETS.build(hook.val_dataloader["dataset"])
    assert dataset[0]["inputs"].shape == (3, 224, 224)
    assert len(dataset) == 15
    train = DATASETS.build(config.train_dataloader.dataset)
    assert [len(train), len(train[0]["inputs"])] == [24, 2]
    assert config.default_hooks.checkpoint.type == "hcsc_mm.ResumableCheckpointHook"
    assert MODELS.build(config.model).backbone.feat_dim == hook.in_channels
