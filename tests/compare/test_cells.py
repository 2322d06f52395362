"""What a cell is made of, and when it counts as done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from labelled import tiny_checkpoint
from mmengine.registry import DefaultScope
from small_grids import MOCO, data_entry, write_grid
from tiny import DIGITS, ROOT

from hcsc_mm import HCSCError
from hcsc_mm.compare import Cell, cells_of, read_grid
from hcsc_mm.compare.cells import config_text, finished, is_outdated
from hcsc_mm.compare.grid import DataEntry, MethodEntry
from hcsc_mm.models import TIMMBackbone
from hcsc_mm.registry import MODELS
from hcsc_mm.runtime.pretrained import configs_of_type
from hcsc_mm.runtime.trained_weights import HOOK

NEIGHBOURS = read_grid(str(ROOT / "configs" / "compare" / "neighbours.py"))


def forget():
    """As in a new process: configs are read once in each."""
    config_text.cache_clear()


def cell(seed=0, method=None, **data):
    return Cell("digits", "m", seed, DataEntry(**data_entry(**data)), method or MethodEntry())


def test_seed_after_seed_every_method_on_every_data_set(tmp_path):
    grid = read_grid(str(write_grid(tmp_path / "g.py", data=dict(a=data_entry(), b=data_entry()))))
    names = [found.name for found in cells_of(grid)]
    first = ["a-mocov2-0", "a-hcsc-0", "b-mocov2-0", "b-hcsc-0"]
    assert names == first + [f"{name[:-1]}1" for name in first]


@pytest.mark.parametrize("method", ["swav", "simsiam", "byol"])
def test_methods_with_norms_of_whole_batches_can_have_a_network_of_timm(method, tmp_path):
    pytest.importorskip("timm")
    data = read_grid(str(ROOT / "configs" / "compare" / "proof.py")).data["coins_lite0"]
    cfg = Cell("coins_lite0", method, 0, data, NEIGHBOURS.methods[method]).build_config(tmp_path)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg.model)
    assert isinstance(model.backbone, TIMMBackbone)


def test_pairs_are_the_only_ones(tmp_path):
    pairs = [("a", "hcsc"), ("b", "mocov2")]
    path = write_grid(tmp_path / "g.py", data=dict(a=data_entry(), b=data_entry()), pairs=pairs)
    names = [found.name for found in cells_of(read_grid(str(path)))]
    assert names == ["a-hcsc-0", "b-mocov2-0", "a-hcsc-1", "b-mocov2-1"]


# What a cell is trained with


def test_a_method_is_trained_with_the_datas_images_network_and_schedule_and_the_cells_seed(
    tmp_path,
):
    cfg = cell(seed=7, method=MethodEntry(config=MOCO)).build_config(tmp_path / "cell")
    assert cfg.model.type == "hcsc_mm.MomentumContrast" and cfg.model.head.type.endswith(
        "InfoNCEHead"
    )
    assert cfg.default_hooks.get("clustering") is None
    assert cfg.model.backbone.base_channels == 4 and cfg.train_dataloader.dataset.indices == 100
    assert cfg.train_cfg.max_epochs == 2
    assert cfg.randomness.seed == 7
    assert cfg.work_dir == str(tmp_path / "cell")


def test_without_a_config_of_its_own_a_method_is_the_datas(tmp_path):
    cfg = cell().build_config(tmp_path)
    assert cfg.model.type == "hcsc_mm.HCSC"
    assert tuple(cfg.default_hooks.clustering.num_prototypes) == (12, 6, 3)


@pytest.mark.parametrize("method", sorted(NEIGHBOURS.methods))
def test_a_schedule_of_key_momentum_is_left_to_methods_with_a_key_encoder(method, tmp_path):
    """The configs for folders have one; SwAV, SimSiam and BYOL have no key encoder of ours."""
    entry = Cell("omniglot", method, 0, NEIGHBOURS.data["omniglot"], NEIGHBOURS.methods[method])
    cfg = entry.build_config(tmp_path)
    has_schedule = cfg.default_hooks.get("key_momentum") is not None
    assert has_schedule == hasattr(MODELS.get(cfg.model.type), "set_momentum")


def test_options_of_the_method_win_over_those_of_the_data(tmp_path):
    method = MethodEntry(options={"model.queue_len": 64, "model.head.rule": "released"})
    cfg = cell(method=method).build_config(tmp_path)
    assert cfg.model.queue_len == 64 and cfg.model.head.rule == "released"
    assert cfg.train_dataloader.batch_size == 16  # the data's


def test_the_config_of_a_method_keeps_what_it_derives_from_its_base(tmp_path):
    """SwAV's head is as wide as the data's projection: 16 here, 64 in its own file."""
    swav = MOCO.replace("mocov2", "swav")
    cfg = cell(method=MethodEntry(config=swav)).build_config(tmp_path)
    assert cfg.model.neck.out_channels == cfg.model.head.loss.feat_dim == 16


@pytest.mark.parametrize("trains", [True, False])
def test_every_method_starts_from_the_checkpoint_of_the_data(trains, tmp_path):
    weights = str(tiny_checkpoint(tmp_path / "w.pth"))
    cfg = cell(method=MethodEntry(trains=trains), checkpoint=weights).build_config(tmp_path / "c")
    hooks = configs_of_type(cfg.custom_hooks, HOOK) if cfg.get("custom_hooks") else []
    assert [hook["checkpoint"] for hook in hooks] == [weights]


def test_weights_that_are_not_there_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(HCSCError, match=r"digits starts from gone\.pth, which does not exist"):
        cell(checkpoint="gone.pth").check()


def test_an_option_has_the_name_at_the_top_of_the_config_and_all_follows(tmp_path):
    """Of the data's config and of the method's own; 23 is what SwAV's file derives from."""
    swav = MethodEntry(config=MOCO.replace("mocov2", "swav"), options={"swav_prototypes": 23})
    options = {**data_entry()["options"], "lr": 0.5}
    cfg = cell(method=swav, options=options).build_config(tmp_path)
    assert cfg.optim_wrapper.optimizer.lr == 0.5
    assert cfg.model.head.loss.num_prototypes == 23


def test_what_the_config_of_a_method_assigns_again_leads_all_that_follows_from_it(tmp_path):
    """As where a config inherits from the data's own file; from the data's values, once."""
    ablations = ROOT / "configs" / "compare" / "ablations"
    options = {"lr": 0.5, "max_epochs": 3, "warmup_epochs": 1}
    half, twice = (
        cell(method=MethodEntry(config=str(ablations / name)), options=options).build_config(
            tmp_path
        )
        for name in ("half_lr.py", "twice.py")
    )
    assert half.lr == half.optim_wrapper.optimizer.lr == 0.25
    assert twice.max_epochs == twice.train_cfg.max_epochs == 6
    assert twice.default_hooks.clustering.warmup_epochs == 2
    assert twice.optim_wrapper.optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("data", "method", "words"),
    [
        ({"model.hed.temperature": 1}, {}, "model.hed"),
        ({}, {"max_epoch": 3}, "max_epoch"),
        ({"swav_prototypes": 3}, {}, "swav_prototypes"),  # the data's config has none
    ],
)
def test_an_option_that_nothing_reads_is_refused(data, method, words, tmp_path):
    method = MethodEntry(config=MOCO.replace("mocov2", "swav"), options=method)
    with pytest.raises(HCSCError, match=words):
        cell(method=method, options={**data_entry()["options"], **data}).build_config(tmp_path)


# When it is done


@pytest.fixture
def saved(tmp_path):
    """A cell and the folder in which it is said to be done."""
    own = tmp_path / "method.py"
    own.write_text(f"_base_ = [{str(DIGITS)!r}]\nmodel = dict(momentum=0.01)\n")
    weights = tiny_checkpoint(tmp_path / "w.pth")
    done = cell(method=MethodEntry(config=str(own)), checkpoint=str(weights))
    write(done, tmp_path)
    return done, tmp_path


def write(done, folder, **facts):
    content = {"inputs": done.inputs(), "start": done.start(), "scores": {"knn": 90.0}, **facts}
    (folder / f"{done.name}.json").write_text(json.dumps(content))


def test_a_cell_is_done_when_its_file_is_there(saved):
    done, folder = saved
    assert finished(done, folder)["scores"] == {"knn": 90.0}
    assert finished(replace(done, seed=1), folder) is None
    assert finished(replace(done, method="other"), folder) is None


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        ("data_entry", dict(k=6)),
        ("data_entry", dict(linear=True)),
        ("data_entry", dict(projection=True)),
        ("data_entry", dict(num_clusters=(12, 3))),
        ("data_entry", dict(test=dict(type="hcsc_mm.Digits", split="test"))),
        ("data_entry", dict(gallery=dict(type="hcsc_mm.Digits", split="test"))),
        ("data_entry", dict(options={"model.queue_len": 64})),
        ("data_entry", dict(checkpoint=None)),
        ("method_entry", dict(config=MOCO)),
        ("method_entry", dict(options={"model.momentum": 0.1})),
        ("method_entry", dict(yardsticks=True)),
        ("method_entry", dict(trains=False)),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_cell_of_which_anything_has_changed_is_run_again(saved, entry, change):
    done, folder = saved
    changed = replace(done, **{entry: replace(getattr(done, entry), **change)})
    assert finished(changed, folder) is None


def test_a_cell_is_run_again_when_a_value_of_a_config_or_the_start_has_changed(saved):
    done, folder = saved
    own = Path(done.method_entry.config)
    own.write_text(own.read_text().replace("momentum=0.01", "momentum=0.02"))
    forget()
    assert finished(done, folder) is None and is_outdated(done, folder)
    write(done, folder)
    assert finished(done, folder) is not None and not is_outdated(done, folder)
    with open(done.data_entry.checkpoint, "ab") as file:
        file.write(b"# changed\n")
    assert finished(done, folder) is None


def test_a_table_can_be_made_where_the_weights_are_not(saved):
    done, folder = saved
    Path(done.data_entry.checkpoint).unlink()
    assert finished(done, folder)["scores"] == {"knn": 90.0}


def test_a_cell_is_run_again_when_a_method_that_its_own_stands_on_has_changed(saved):
    done, folder = saved
    below, own = folder / "below.py", folder / "own.py"
    below.write_text(f"_base_ = [{MOCO!r}]\nmodel = dict(momentum=0.01)\n")
    own.write_text("_base_ = ['below.py']\nmodel = dict(queue_len=64)\n")
    done = replace(done, method_entry=replace(done.method_entry, config=str(own)))
    write(done, folder)
    assert finished(done, folder) is not None
    below.write_text(below.read_text().replace("momentum=0.01", "momentum=0.02"))
    forget()
    assert finished(done, folder) is None and is_outdated(done, folder)


def test_a_cell_is_the_same_in_another_folder_and_with_other_comments(saved):
    done, folder = saved
    moved = folder / "elsewhere"
    moved.mkdir()
    for path in (done.method_entry.config, done.data_entry.checkpoint):
        shutil.copy(path, moved)
    own = moved / Path(done.method_entry.config).name
    own.write_text(f"# moved\n{own.read_text()}")
    weights = str(moved / Path(done.data_entry.checkpoint).name)
    other = replace(
        done,
        data_entry=replace(done.data_entry, checkpoint=weights),
        method_entry=replace(done.method_entry, config=str(own)),
    )
    assert other.inputs() == done.inputs()


def test_a_cell_is_the_same_whether_a_schedule_is_left_out_or_was_never_there(saved):
    done, _ = saved
    own, before = Path(done.method_entry.config), done.inputs()
    own.write_text(f"{own.read_text()}default_hooks = dict(key_momentum=None)\n")
    forget()
    assert done.inputs() == before


def test_a_key_that_came_later_makes_no_other_cell_where_all_is_as_before(saved):
    done, _ = saved
    own, before = Path(done.method_entry.config), done.inputs()
    text = own.read_text()
    hook = "default_hooks = dict(clustering=dict(seeding=seeding))"
    own.write_text(f"{text}seeding = 'k-means++'\n{hook}\n")
    forget()
    assert done.inputs() == before
    own.write_text(f"{text}seeding = 'ward'\n{hook}\n")
    forget()
    assert done.inputs() != before


def test_a_cell_that_broke_down_is_in_the_table_and_run_again(saved):
    done, folder = saved
    write(done, folder, broken=True, error="broke down")
    assert finished(done, folder) is None
    assert finished(done, folder, broken=True)["error"] == "broke down"


def test_a_cell_that_is_whole_in_another_grids_folder_is_done(saved):
    done, folder = saved
    own, gone = folder / "own", folder / "gone"
    own.mkdir()
    assert finished(done, own) is None
    assert finished(done, own, others=(gone, folder))["scores"] == {"knn": 90.0}
    write(done, own, broken=True, error="broke down")
    assert finished(done, own, broken=True, others=(gone, folder))["scores"] == {"knn": 90.0}
    assert finished(done, own, broken=True, others=(gone,))["error"] == "broke down"
    assert finished(replace(done, seed=1), own, others=(folder,)) is None


def test_a_cell_of_another_grid_counts_where_it_was_run_on_such_a_machine(saved):
    done, folder = saved
    own = folder / "own"
    own.mkdir()
    for machine, counts in (("this", True), ("another", False)):
        write(done, folder, machine=machine)
        assert (finished(done, own, others=(folder,), machine="this") is not None) is counts
        assert finished(done, own, others=(folder,)) is not None  # in a table
        assert finished(done, folder, machine="this") is not None  # the grid's own goes on anywhere


def test_a_damaged_file_is_an_error_that_names_it(saved):
    done, folder = saved
    path = folder / f"{done.name}.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(
        HCSCError, match=r"digits-m-0\.json is damaged .*; remove it to run the cell"
    ):
        finished(done, folder)
