"""``configs/hcsc_folder.py`` fits itself to a folder, and trains."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from noise import noise, save_pngs
from tiny import ROOT, Record

from hcsc_mm import HCSCError
from hcsc_mm.recipes.arithmetic import Material, Recipe
from hcsc_mm.recipes.fit import announce
from hcsc_mm.runtime.console import duration
from hcsc_mm.runtime.launch import build_runner, load_config
from hcsc_mm.runtime.precision import cpu_has_bfloat16
from hcsc_mm.runtime.trained_weights import start_from

FOLDER = ROOT / "configs" / "hcsc_folder.py"
TIMM = ROOT / "configs" / "hcsc_timm_folder.py"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return save_pngs(noise(48, 30, 40), tmp_path_factory.mktemp("images"))


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def fitted(images, path=FOLDER, **options):
    return load_config(str(path), {"data_root": str(images), **options})


def test_places_follow_from_the_fitted_values(images):
    cfg = fitted(images)
    assert (cfg.image_size, cfg.batch_size) == (28, 8)
    assert cfg.train_dataloader.batch_size == 8
    assert [view.size for view in cfg.model.data_preprocessor.views] == [28, 28]
    assert cfg.model.backbone.type == "ResNet_CIFAR"
    assert cfg.model.neck.in_channels == 8 * 16
    assert cfg.default_hooks.clustering.pipeline[2].crop_size == 28
    assert tuple(cfg.default_hooks.clustering.num_prototypes) == (8, 3)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.12 * 8 / 256)


def test_options_stay_and_win_over_the_recipe(images):
    cfg = fitted(images, image_size="64", num_prototypes="6,3", lr="0.5")
    assert (cfg.image_size, cfg.short_side, cfg.small_stem) == (64, 144, False)
    assert tuple(cfg.default_hooks.clustering.num_prototypes) == (6, 3)
    assert cfg.optim_wrapper.optimizer.lr == 0.5
    assert "image_size = 64: set by hand; the recipe's would be 28" in "".join(cfg.fitted.lines)


def test_bfloat16_is_offered_where_the_cpu_has_it_and_never_taken(images):
    """Not by the recipe: a resume on another CPU reads the config anew."""
    cfg = fitted(images)
    assert cfg.optim_wrapper.get("type", "OptimWrapper") == "OptimWrapper"
    offered = any("--amp bf16 is faster here" in line for line in cfg.fitted.lines)
    assert offered is (cpu_has_bfloat16() and not torch.cuda.is_available())


def test_places_stay_too(images):
    cfg = fitted(images, **{"train_cfg.max_epochs": "2"})
    assert cfg.train_cfg.max_epochs == 2


def test_what_an_inheriting_config_assigns_stays(images, tmp_path):
    child = tmp_path / "child.py"
    child.write_text(f"_base_ = ['{FOLDER}']\nqueue_len = 24\n")
    cfg = fitted(images, child)
    assert cfg.batch_size == 8  # fitted
    assert cfg.model.queue_len == 24
    assert "queue_len = 24: set by hand" in "".join(cfg.fitted.lines)


def test_dumped_config_is_the_same_without_a_look_at_the_images(images, tmp_path):
    cfg = fitted(images)
    cfg.dump(tmp_path / "dumped.py")
    again = load_config(str(tmp_path / "dumped.py"))
    assert again.to_dict() == cfg.to_dict() and "recipe" not in again
    assert Config.fromfile(tmp_path / "dumped.py").fitted.lines == cfg.fitted.lines


def test_a_run_trains_on_what_was_fitted_and_logs_how(images, tmp_path):
    cfg = fitted(images, max_epochs="3", base_channels="4", every_epochs="1", warmup_epochs="1")
    cfg.work_dir, cfg.experiment_name = str(tmp_path), tmp_path.name
    runner, record = build_runner(cfg), Record()
    runner.register_hook(record)
    runner.train()
    assert len(record.losses) == 3 * 6 and np.isfinite(record.losses).all()
    assert record.hierarchies[2].num_prototypes == (8, 3)
    assert runner.train_dataloader.dataset.memory.num_kept == 48
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "a recipe for 48 images with a median shorter side of 30 pixels" in log
    assert "batch_size = 8: a power of 2" in log
    assert "18 steps of 8 images will take at most about" in log


@pytest.mark.parametrize(("num_images", "looks"), [(2**18, 1), (2**18 + 1, 5)])
def test_announced_time_counts_a_look_for_each_clustering_that_keeps_no_features(num_images, looks):
    pixels = dict(image_size=64, whole_size=128)
    values = dict(batch_size=256, max_epochs=4, every_epochs=1, in_channels=1024, **pixels)
    line = announce(Material(num_images, [(64, 64)], frozen=True), Recipe(values, {}), 0.01)
    views = 4 * 1024 * 256  # of the steps
    seconds = 2 * (0.01 * (2 * views + 4 * looks * num_images) + 2 * views / 800)
    assert f"at most about {duration(seconds)}:" in line


def test_recipe_for_another_number_of_processes_is_refused(images, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    cfg = fitted(images)
    assert cfg.batch_size == 4 and cfg.lr == pytest.approx(0.12 * 8 / 256)
    monkeypatch.delenv("WORLD_SIZE")
    cfg.work_dir, cfg.experiment_name = str(tmp_path), tmp_path.name
    with pytest.raises(HCSCError, match="fitted to 2 processes and 1 run"):
        build_runner(cfg)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(HCSCError, match="does not exist"):
        fitted(tmp_path / "nowhere")


def test_unknown_recipe_is_refused(images, tmp_path):
    child = tmp_path / "child.py"
    child.write_text(f"_base_ = ['{FOLDER}']\nrecipe = dict(type='hcsc_mm.guess')\n")
    with pytest.raises(HCSCError, match=r"there is no recipe hcsc_mm\.guess"):
        fitted(images, child)


def test_a_network_of_timm_brings_its_own_statistics_and_channels(images):
    pytest.importorskip("timm")
    cfg = fitted(images, TIMM, layer_decay="0.5")
    assert cfg.model.data_preprocessor.mean == [127.5] * 3
    assert cfg.model.neck.in_channels == 1280
    assert (cfg.image_size, cfg.batch_size, cfg.temperature) == (64, 8, 0.07)
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == 0.5
    assert fitted(images, TIMM).optim_wrapper.paramwise_cfg is None
    other = fitted(images, TIMM, model_name="resnet18")
    assert other.model.neck.in_channels == 512
    assert other.model.data_preprocessor.mean == pytest.approx([123.675, 116.28, 103.53])


def test_whole_images_are_as_large_as_the_network_was_trained_with(images):
    pytest.importorskip("timm")
    cfg = fitted(images, TIMM)
    assert (cfg.image_size, cfg.whole_size) == (64, 224)
    assert cfg.default_hooks.clustering.pipeline[-2].crop_size == 224
    assert cfg.default_hooks.clustering.seeding == "ward"
    assert cfg.model.data_preprocessor.views[0].size == 64
    assert (
        fitted(images, TIMM, whole_size="96").default_hooks.clustering.pipeline[-2].crop_size == 96
    )
    scratch = fitted(images)
    assert scratch.default_hooks.clustering.pipeline[-2].crop_size == scratch.image_size


def test_projection_is_trained_on_a_frozen_network_with_trained_weights(images, tmp_path):
    timm = pytest.importorskip("timm")
    weights = timm.create_model("resnet18").state_dict()
    torch.save(weights, tmp_path / "trained.pth")
    cfg = fitted(images, TIMM, model_name="resnet18", max_epochs="1", image_size="32")
    cfg.work_dir, cfg.experiment_name = str(tmp_path), tmp_path.name
    assert start_from(cfg, str(tmp_path / "trained.pth"))
    runner = build_runner(cfg)
    runner.train()
    state = runner.model.backbone.timm_model.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in state.items())
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "share their batch-norm statistics" not in log
