"""Every pre-training config, from the file to a loss; a config that is added to configs/ is tested,
too.
"""

from __future__ import annotations

import copy
import functools
import math
import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import FUNCTIONS, DefaultScope
from mmengine.runner import Runner
from mmpretrain.datasets import CIFAR10
from mmpretrain.models.selfsup import BYOL, SimSiam, SwAV
from mmpretrain.registry import DATASETS, HOOKS, MODELS, PARAM_SCHEDULERS, TRANSFORMS
from PIL import Image
from rows import encoded, save_rows
from stores import index, write_folder, write_shards
from torch import nn

from hcsc_mm.datasets import ExtractionView, seed_worker
from hcsc_mm.engine.hooks import HierarchicalClusteringHook
from hcsc_mm.models import HCSC, PCL, MomentumContrast, ViewRecipe
from hcsc_mm.models.selfsup import HIRL, HIRLBYOL, MCL, HIRLSimSiam, InterCLR
from hcsc_mm.runtime.launch import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.py"))
CLUSTERING = [
    name for name in NAMES if name.startswith(("hcsc", "hirl", "interclr", "mcl", "pcl"))
]  # others never cluster
IN1K = [name for name in NAMES if name.startswith("hcsc") and name.endswith("in1k")]


@functools.cache
def read(name: str) -> Config:
    """The config, which nobody may change."""
    return Config.fromfile(CONFIGS / f"{name}.py")


METHODS = {
    "hcsc": HCSC,
    "hirl": HIRL,
    "hirl-byol": HIRLBYOL,
    "hirl-simsiam": HIRLSimSiam,
    "interclr": InterCLR,
    "mcl": MCL,
    "pcl": PCL,
    "mocov2": MomentumContrast,
    "nnclr": MomentumContrast,  # with another contrast in its head, as all of this kind
    "mochi": MomentumContrast,
    "ft": MomentumContrast,
    "hard": MomentumContrast,
    "cacr": MomentumContrast,
    "groco": MomentumContrast,
    "fnc": MomentumContrast,
    "adainf": MomentumContrast,  # on real and generated images
    "swav": SwAV,
    "simsiam": SimSiam,
    "byol": BYOL,
}  # by the first word of the name
PAPER = [name for name in IN1K if name.startswith("hcsc_r50")]
ADAMW = [name for name in NAMES if read(name).optim_wrapper.optimizer.type == "AdamW"]
MULTI_CROP = [name for name in IN1K if "mcrop" in name]


# augmentations on the device; in the others by the workers
ON_DEVICE = [
    name for name in NAMES if read(name).train_dataloader.collate_fn.type == "hcsc_mm.pad_collate"
]
TWINS = [name for name in ON_DEVICE if "devaug" in name]


@pytest.fixture(autouse=True)
def mmpretrain_scope():
    """Types without a prefix are mmpretrain's, as in training."""
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        yield


def load(name: str) -> Config:
    """The config, as from its file."""
    return copy.deepcopy(read(name))


def clustering_hook(config: Config) -> dict:
    hook = config.default_hooks.clustering
    assert hook.type == "hcsc_mm.HierarchicalClusteringHook"
    return hook


def total_batch(config: Config) -> int:
    return config.train_dataloader.batch_size * config.get("num_gpus", 1)


def build_dataset(config: Config, folder: Path, monkeypatch):
    """The config's training set on a folder with three small photographs, in the form that its type
    reads.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (3, 90, 120, 3), dtype=np.uint8)
    dataset = dict(config.train_dataloader.dataset, data_root=str(folder))
    if dataset["type"] in ("hcsc_mm.Digits", "hcsc_mm.InflatedImages"):
        del dataset["data_root"]
    elif dataset["type"].startswith("CIFAR"):
        kind = DATASETS.get(dataset["type"])
        (folder / kind.base_folder).mkdir()
        entry = {
            "data": pixels[:, :32, :32].transpose(0, 3, 1, 2).reshape(3, -1),
            "labels": [0, 1, 2],
        }
        for name, _ in kind.train_list:
            (folder / kind.base_folder / name).write_bytes(pickle.dumps(entry))
        monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    elif dataset["type"] == "hcsc_mm.HFImages":
        save_rows(pixels, folder / "rows")
        dataset = dict(config.train_dataloader.dataset, path=str(folder / "rows"))
    elif dataset["type"] == "hcsc_mm.MixedImages":
        for kind, images in (("real", pixels[:1]), ("generated", pixels[1:])):
            write_folder(folder / kind, encoded(images))
        places = dict(data_root=str(folder / "real"), generated=str(folder / "generated"))
        dataset = dict(config.train_dataloader.dataset, **places)
    elif dataset["type"] == "hcsc_mm.TarImages":
        index(write_shards(folder, encoded(pixels), 2))
    else:
        for place, image in enumerate(pixels):
            Image.fromarray(image).save(folder / f"{place}.jpg")
        if dataset.get("ann_file"):
            (folder / dataset["ann_file"]).write_text(
                "".join(f"{place}.jpg, {place}, 0\n" for place in range(len(pixels)))
            )
    return DATASETS.build(dataset)


def view_sizes(packed: dict) -> list[tuple[int, ...]]:
    return [tuple(view.shape) for view in packed["inputs"]]


def expected_sizes(name: str, config: Config) -> list[int]:
    if name in MULTI_CROP:
        return [224, 224, 192, 160, 128, 96]
    size = config.get("image_size", 32 if "cifar" in name else 224)
    return [size, size]


def test_the_main_job_has_its_exact_name_beside_its_longer_multi_crop_and_small_relatives():
    assert {
        "hcsc_r50_200e_in1k",
        "hcsc_r50_400e_in1k",
        "hcsc_r50_800e_in1k",
        "hcsc_r50_mcrop_200e_in1k",
        "hcsc_r50_mcrop_400e_in1k",
        "hcsc_r50_mcrop_800e_in1k",
        "hcsc_r50_paper-rule_200e_in1k",
        "hcsc_r18_200e_cifar10",
        "hcsc_r18_200e_cifar100",
        "hcsc_r18_200e_folder",
        "hcsc_r50_devaug_200e_in1k",
        "hcsc_r50_mcrop_devaug_200e_in1k",
        "hcsc_r18_devaug_200e_folder",
        "hcsc_vits16_300e_in1k",
        "hcsc_convnext-tiny_300e_in1k",
        "hcsc_convnextv2-tiny_300e_in1k",
    } <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ON_DEVICE])
def test_training_views_have_the_expected_number_and_sizes_and_know_their_image(
    name, tmp_path, monkeypatch
):
    config = load(name)
    packed = build_dataset(config, tmp_path, monkeypatch)[1]
    assert view_sizes(packed) == [(3, size, size) for size in expected_sizes(name, config)]
    assert all(view.dtype == torch.uint8 for view in packed["inputs"])
    assert packed["data_samples"].sample_idx == 1


@pytest.mark.parametrize("name", ON_DEVICE)
def test_views_that_the_device_makes_have_the_expected_number_and_sizes_and_know_their_image(
    name, tmp_path, monkeypatch
):
    config = load(name)
    dataset = build_dataset(config, tmp_path, monkeypatch)
    batch = FUNCTIONS.get(config.train_dataloader.collate_fn.type)([dataset[0], dataset[1]])
    assert batch["inputs"]["images"].dtype == torch.uint8
    data = MODELS.build(config.model.data_preprocessor)(batch, training=True)
    assert [tuple(view.shape) for view in data["inputs"]] == [
        (2, 3, size, size) for size in expected_sizes(name, config)
    ]
    assert [sample.sample_idx for sample in data["data_samples"]] == [0, 1]


@pytest.mark.parametrize("name", TWINS)
def test_a_config_with_augmentation_on_the_device_differs_from_its_plain_twin_in_the_input_alone(
    name,
):
    device, plain = load(name).to_dict(), load(name.replace("devaug_", "")).to_dict()
    (multi_view,) = [
        step
        for step in plain["train_dataloader"]["dataset"]["pipeline"]
        if step["type"] == "MultiView"
    ]
    number = multi_view["num_views"]
    repeats = number if isinstance(number, (list, tuple)) else [number]
    crops = [
        crop[0]
        for repeat, crop in zip(repeats, multi_view["transforms"], strict=True)
        for _ in range(repeat)
    ]
    views = [
        ViewRecipe.from_config(view) for view in device["model"]["data_preprocessor"].pop("views")
    ]
    assert [(view.size, tuple(view.scale)) for view in views] == [
        (crop["scale"], tuple(crop["crop_ratio_range"])) for crop in crops
    ]
    colours = ViewRecipe()
    assert all(replace(view, size=colours.size, scale=colours.scale) == colours for view in views)
    assert (
        device["train_dataloader"]["dataset"]["pipeline"][0]
        == plain["train_dataloader"]["dataset"]["pipeline"][0]
    )  # loading
    for config in (device, plain):
        config["train_dataloader"]["dataset"].pop("pipeline")
        config["train_dataloader"].pop("collate_fn")
        config["train_dataloader"].pop("pin_memory", None)
        config["model"]["data_preprocessor"].pop("type")
        config["model"]["data_preprocessor"].pop("non_blocking", None)
    parts = (
        "model",
        "train_dataloader",
        "optim_wrapper",
        "param_scheduler",
        "train_cfg",
        "default_hooks",
        "auto_scale_lr",
    )
    assert {part: device[part] for part in parts} == {part: plain[part] for part in parts}


@pytest.mark.parametrize("name", CLUSTERING)
def test_extraction_gives_one_crop_of_the_query_size_that_is_the_same_every_time(
    name, tmp_path, monkeypatch
):
    config = load(name)
    view = ExtractionView(
        build_dataset(config, tmp_path, monkeypatch), clustering_hook(config).pipeline
    )
    size = expected_sizes(name, config)[0]
    first, again = view[1], view[1]
    assert tuple(first["inputs"].shape) == (3, size, size)
    assert torch.equal(first["inputs"], again["inputs"])


@pytest.mark.parametrize("name", NAMES)
def test_model_optimiser_schedule_and_hook_build(name):
    config = load(name)
    model = MODELS.build(config.model)
    assert type(model) is METHODS[name.split("_")[0]]
    if isinstance(model, MomentumContrast):
        assert model.queue.length == config.model.queue_len
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    trained = {
        id(weight)
        for group in optim_wrapper.optimizer.param_groups
        for weight in group["params"]
        if weight.requires_grad
    }
    assert trained == {  # heads have weights in mmpretrain's methods: prototypes, predictors
        id(weight)
        for module in (model.backbone, model.neck, model.head)
        for weight in module.parameters()
        if weight.requires_grad  # a network with trained weights may stay as it is
    }
    if name in CLUSTERING:
        assert isinstance(HOOKS.build(clustering_hook(config)), HierarchicalClusteringHook)
    for hook in config.default_hooks.values():
        assert hook is None or HOOKS.build(hook)


@pytest.mark.parametrize("name", NAMES)
def test_lr_follows_the_cosine_once_per_epoch_from_the_first_to_zero(name):
    config = load(name)
    epochs, lr = config.train_cfg.max_epochs, config.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    *_, scheduler = config.param_scheduler  # perhaps after a warm-up
    # the training loop's length is the default end: Runner._build_param_scheduler
    cosine = PARAM_SCHEDULERS.build(
        {"end": epochs, **scheduler}, default_args={"optimizer": optimizer}
    )
    assert cosine.by_epoch
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    expected = [0.5 * lr * (1 + math.cos(math.pi * epoch / epochs)) for epoch in range(epochs)]
    assert seen == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ADAMW)
def test_norms_biases_tokens_positions_and_scales_of_layers_do_not_decay(name):
    config = load(name)
    model = MODELS.build(config.model)
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    names = {id(weight): name for name, weight in model.named_parameters()}
    spared = {names[id(group["params"][0])] for group in groups if not group["weight_decay"]}
    decayed = {names[id(group["params"][0])] for group in groups} - spared
    assert len(decayed) > 10 and all(len(group["params"]) == 1 for group in groups)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            of_token = name.endswith(("cls_token", "pos_embed"))
            assert (name in spared) == (weight.ndim == 1 or of_token)
    frozen = [
        name for name, weight in model.backbone.named_parameters() if not weight.requires_grad
    ]
    assert bool(frozen) == ("vit" in config.model.backbone.model_name)
    assert all("patch_embed.proj" in name for name in frozen)


@pytest.mark.parametrize("name", ["hcsc_folder", "hcsc_r18_200e_folder", "hcsc_r18_grocery"])
def test_lr_rises_over_the_first_steps_on_its_way_along_the_cosine(name):
    config = load(name)
    lr, epochs, steps = config.optim_wrapper.optimizer.lr, config.train_cfg.max_epochs, 41
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    rise, cosine = (
        PARAM_SCHEDULERS.build({"end": epochs, **scheduler}, default_args={"optimizer": optimizer})
        for scheduler in config.param_scheduler
    )
    for epoch in range(6):
        height = 0.5 * lr * (1 + math.cos(math.pi * epoch / epochs))
        for step in range(epoch * steps, (epoch + 1) * steps):
            share = 0.01 + 0.99 * min(1, step / 99)
            assert optimizer.param_groups[0]["lr"] == pytest.approx(share * height)
            optimizer.step()
            rise.step()
        cosine.step()


@pytest.mark.parametrize("name", NAMES)
def test_queue_holds_a_batch_levels_shrink_and_the_splits_divide_the_batch(name):
    config = load(name)
    batch = config.train_dataloader.batch_size
    assert config.model.get("queue_len", batch) >= total_batch(config)
    norms = config.model.backbone.get("norm_cfg", {})
    assert batch % norms.get("num_splits", 1) == 0
    assert config.train_dataloader.drop_last
    if name not in CLUSTERING:
        return
    levels = clustering_hook(config).num_prototypes
    assert all(fine > coarse for fine, coarse in pairwise(levels))
    if config.model.head.get("rule") == "released":
        assert min(levels) > batch, (
            "the released rule would leave few prototypes or none as negatives"
        )
    assert clustering_hook(config).warmup_epochs < config.train_cfg.max_epochs


@pytest.mark.parametrize(
    "name", [name for name in NAMES if read(name).train_dataloader.num_workers > 0]
)
def test_workers_start_anew_each_epoch_and_take_their_seed_from_the_epoch(name):
    loader = load(name).train_dataloader
    assert loader.persistent_workers is False
    assert FUNCTIONS.get(loader.worker_init_fn.type) is seed_worker


@pytest.mark.parametrize("name", PAPER)
def test_imagenet_configs_have_the_numbers_of_the_paper(name):
    config = load(name)
    assert config.train_dataloader.batch_size == 32
    assert total_batch(config) == 256
    assert config.auto_scale_lr.base_batch_size == 256
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (
        "SGD",
        pytest.approx(0.03),
        0.9,
        1e-4,
    )
    epochs = int(name.split("_")[-2].rstrip("e"))
    assert config.train_cfg.max_epochs == epochs
    assert clustering_hook(config).warmup_epochs == (80 if epochs == 800 else 20)
    assert tuple(clustering_hook(config).num_prototypes) == (3000, 2000, 1000)
    assert config.model.queue_len == 16384
    assert config.model.momentum == 0.001
    assert config.model.backbone.depth == 50
    assert config.model.backbone.zero_init_residual is False
    assert config.model.neck == {
        "type": "hcsc_mm.ProjectionNeck",
        "in_channels": 2048,
        "hid_channels": 2048,
        "out_channels": 128,
    }
    assert config.model.head.temperature == 0.2
    assert config.model.head.rule == ("paper" if "paper-rule" in name else "released")
    selection = config.model.get("selection", {})
    assert selection.get("local_instances", False) == (name in MULTI_CROP)


@pytest.mark.parametrize("name", [name for name in MULTI_CROP if name not in ON_DEVICE])
def test_crop_scales_shrink_with_the_crops(name):
    config = load(name)
    (views,) = [
        step for step in config.train_dataloader.dataset.pipeline if step.type == "MultiView"
    ]
    assert views.num_views == [2, 1, 1, 1, 1]
    scales = [tuple(view[0].crop_ratio_range) for view in views.transforms]
    assert scales == [(0.2, 1.0), (0.172, 0.86), (0.143, 0.715), (0.114, 0.571), (0.086, 0.429)]


@pytest.mark.parametrize("name", [name for name in IN1K if name not in ON_DEVICE])
def test_every_imagenet_view_has_the_colours_blur_and_flip_of_the_recipe(name):
    (views,) = [
        step for step in load(name).train_dataloader.dataset.pipeline if step.type == "MultiView"
    ]
    views = TRANSFORMS.build(views)
    for pipeline in views.pipelines:
        crop, jitter, grey, blur, flip = pipeline.transforms
        assert crop.backend == "pillow"
        (colour,) = jitter.transforms.transforms
        ranges = (colour.brightness, colour.contrast, colour.saturation, colour.hue)
        assert ranges == (pytest.approx((0.6, 1.4)),) * 3 + ((-0.1, 0.1),)
        assert (jitter.prob, grey.prob, blur.prob, flip.prob) == (0.8, 0.2, 0.5, 0.5)
        sigma = np.array([blur.random_magnitude() for _ in range(500)])
        assert 0.1 <= sigma.min() < 0.2 < 1.9 < sigma.max() <= 2.0
        grey.prob = 1.0
        red = np.zeros((2, 2, 3), dtype=np.uint8)
        red[..., 2] = 255  # BGR
        assert np.all(grey({"img": red})["img"] == int(0.299 * 255))


@pytest.mark.parametrize("name", [name for name in NAMES if "cifar" in name])
def test_the_backbone_sees_cifar_images_in_rgb(name, tmp_path, monkeypatch):
    config = load(name)
    dataset = build_dataset(config, tmp_path, monkeypatch)
    packed = ExtractionView(dataset, clustering_hook(config).pipeline)[0]
    preprocess = MODELS.build(config.model.data_preprocessor)
    seen = preprocess({"inputs": packed["inputs"][None], "data_samples": None})["inputs"][0]
    stored = torch.from_numpy(dataset.get_data_info(0)["img"]).permute(2, 0, 1).float()  # RGB
    mean, std = (
        torch.tensor(config.model.data_preprocessor[key]).view(3, 1, 1) for key in ("mean", "std")
    )
    torch.testing.assert_close(seen, (stored - mean) / std)


def test_lr_and_its_base_batch_follow_the_values_at_the_top(tmp_path):
    text = (
        (CONFIGS / "hcsc_r50_200e_in1k.py").read_text().replace('"_base_/', f'"{CONFIGS}/_base_/')
    )
    changed = (
        text.replace("num_gpus = 8", "num_gpus = 4")
        .replace("max_epochs = 200", "max_epochs = 100")
        .replace('"stop"', '"skip"')
    )
    (tmp_path / "changed.py").write_text(changed)
    config = Config.fromfile(tmp_path / "changed.py")
    assert config.optim_wrapper.optimizer.lr == pytest.approx(0.015)
    assert config.auto_scale_lr.base_batch_size == 128
    assert config.train_cfg.max_epochs == 100
    assert config.train_dataloader.dataset.pipeline[0].unreadable == "skip"
    assert clustering_hook(config).pipeline[0].unreadable == "skip"


def test_options_in_the_folder_configs_docstring_change_what_they_say(tmp_path, monkeypatch):
    path = CONFIGS / "hcsc_r18_200e_folder.py"
    documented = path.read_text().split('"""')[1]
    options = dict(word.split("=", 1) for word in documented.split() if "=" in word)
    assert {"data_root", "image_size", "max_epochs", "num_prototypes"} == options.keys()
    config = load_config(str(path), options)
    assert config.train_dataloader.dataset.data_root == "/my/photos"
    assert tuple(clustering_hook(config).num_prototypes) == (100, 30, 10)
    assert config.train_cfg.max_epochs == 20
    dataset = build_dataset(config, tmp_path, monkeypatch)
    assert view_sizes(dataset[0]) == [(3, 64, 64)] * 2
    assert ExtractionView(dataset, clustering_hook(config).pipeline)[0]["inputs"].shape == (
        3,
        64,
        64,
    )


def test_runner_gives_the_schedule_the_length_of_the_loop(tmp_path, monkeypatch):
    config = load("hcsc_r18_200e_folder")
    config.merge_from_dict(
        {
            "work_dir": str(tmp_path / "work"),
            "train_cfg.max_epochs": 7,
            "train_dataloader.batch_size": 2,
        }
    )
    config.merge_from_dict({"train_dataloader.num_workers": 0, "launcher": "none"})
    build_dataset(config, tmp_path, monkeypatch)
    config.train_dataloader.dataset.data_root = str(tmp_path)
    runner = Runner.from_cfg(config)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    warmup, cosine = runner.build_param_scheduler(runner.param_schedulers)
    assert (warmup.begin, warmup.end, warmup.by_epoch) == (0, 100, False)
    assert (cosine.begin, cosine.end, cosine.T_max) == (0, 7, 7)


@pytest.mark.parametrize("name", ["hcsc_r50_mcrop_200e_in1k", "hcsc_r18_200e_cifar10"])
def test_a_step_on_small_crops_gives_finite_losses_for_every_view(name, tmp_path, monkeypatch):
    config = load(name)
    model = MODELS.build(config.model)
    num_views = len(expected_sizes(name, config))
    packed = build_dataset(config, tmp_path, monkeypatch)[0]
    batch = {
        "inputs": [
            torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8) for _ in range(num_views)
        ],
        "data_samples": [packed["data_samples"]] * 8,
    }
    losses = model.loss(**model.data_preprocessor(batch))
    assert (
        set(losses) == {"loss_instance", "loss_local_instance"}
        if num_views > 2
        else {"loss_instance"}
    )
    # an untrained InfoNCE: between guessing among the queue and knowing the answer, per query view
    assert all(
        0 < float(loss.detach()) < (num_views - 1) * 2 * math.log(config.model.queue_len)
        for loss in losses.values()
    )
    sum(losses.values()).backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.backbone.parameters())


@pytest.mark.parametrize("name", CLUSTERING)
def test_configs_of_the_paper_seed_kmeans_as_the_released_code_and_others_as_we_do(name):
    hook = HOOKS.build(clustering_hook(load(name)))
    assert hook._kmeans["seeding"] == ("random" if name.endswith("in1k") else "k-means++")
