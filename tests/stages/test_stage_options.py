"""--stage-options: which option changes which benchmark."""

import pytest
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.stages import Chain, ChainOptions
from hcsc_mm.stages.options import read_stages
from hcsc_mm.stages.plan import stages_of

FOLDER = str(ROOT / "configs" / "hcsc_r18_200e_folder.py")
STAGES = stages_of(load_config(FOLDER), FOLDER)


def read(*words: str) -> dict[str, Config]:
    options = dict(word.split("=", 1) for word in words)
    read = read_stages(STAGES, options, lambda cfg: cfg)
    return {stage.kind: cfg for stage, (cfg, _) in read.items()}


def test_a_value_at_the_top_of_all_benchmarks_reaches_what_follows_from_it_in_each():
    configs = read("all.data_root=/x", "all.image_size=64")
    assert configs["knn"].test_dataloader.dataset.data_root == "/x"
    assert configs["linear"].train_dataloader.dataset.data_root == "/x"
    assert configs["svm"].test_cfg.train_dataloader.dataset.pipeline[2].crop_size == 64
    assert configs["semi"].train_dataloader.dataset.pipeline[1].scale == 64


def test_an_option_for_all_changes_those_that_know_it():
    configs = read("all.max_epochs=3", "all.k=5")
    assert configs["linear"].train_cfg.max_epochs == configs["semi"].train_cfg.max_epochs == 3
    assert configs["knn"].get("train_cfg") is None and configs["knn"].test_evaluator.k == (5,)


def test_a_kind_wins_over_all_and_a_name_over_a_kind():
    words = ["all.batch_size=1", "linear.batch_size=2", "semi_folder.batch_size=3"]
    for order in (words, words[::-1]):
        configs = read(*order, "semi.batch_size=4")
        sizes = {kind: configs[kind].train_dataloader.batch_size for kind in ("linear", "semi")}
        assert sizes == {"linear": 2, "semi": 3}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "linear.max_epoch=3",
            "--stage-options linear_folder.max_epoch: there is no max_epoch; did",
        ),
        ("all.max_epoch=3", "there is no max_epoch; did you mean max_epochs"),
        ("knn.max_epochs=3", "--stage-options knn_folder.max_epochs: nothing reads max_epochs"),
        ("knn.train_cfg.max_epochs=3", "there is no train_cfg; a new one needs train_cfg.type"),
        ("all.batch_size=many", "--stage-options knn_folder.batch_size=many: a whole number is"),
        (
            "lineal.max_epochs=3",
            "--stage-options lineal.max_epochs: begin with a stage and a point",
        ),
        ("linear=3", "begin with a stage and a point"),
    ],
)
def test_what_no_stage_that_is_meant_reads_is_refused(word, message):
    with pytest.raises(HCSCError) as caught:
        read(word)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"stage_options": {"linear.model.backbone.depth": "50"}},
            "linear_folder.model.backbone.d",
        ),
        ({"stage_options": {"knn.load_from": "x.pth"}}, "knn_folder.load_from=x.pth"),
        ({"cfg_options": {"load_from": "x.pth"}}, "--cfg-options load_from=x.pth: the chain of"),
        ({"cfg_options": {"work_dir": "y"}}, "--cfg-options work_dir=y: the chain of stages sets"),
    ],
)
def test_what_the_chain_sets_itself_is_refused_before_anything_runs(options, message, tmp_path):
    with pytest.raises(HCSCError) as caught:
        Chain(FOLDER, ChainOptions(str(tmp_path), **options))
    assert message in str(caught.value) and "itself; leave the option out" in str(caught.value)


def test_options_for_the_pre_training_reach_the_backbones_of_the_benchmarks(tmp_path):
    chain = Chain(FOLDER, ChainOptions(str(tmp_path), cfg_options={"model.backbone.depth": "34"}))
    stage = chain._stage_as_run(chain.stages[0], "x.pth")
    assert stage.model.backbone.depth == chain.pretraining.model.backbone.depth == 34
