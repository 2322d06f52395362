"""Which stages a config has, and which of them are wanted."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import METRICS, MODELS, TRANSFORMS
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.stages.plan import Stage, choose, stages_of

CONFIGS = sorted((ROOT / "configs").glob("*.py"))
STAGES = [
    Stage("knn_in1k", "a.py"),
    Stage("linear_in1k", "b.py"),
    Stage("linear_places205", "c.py"),
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_pretraining_config_names_benchmarks_of_its_own_data(path):
    stages = stages_of(Config.fromfile(path), str(path))
    assert {"knn", "linear", "clustering"} <= {stage.kind for stage in stages}
    data = path.stem.split("_")[-1]
    data = "folder" if data in ("hf", "tar") else data  # stores of any images
    assert all(stage.name.endswith(data) for stage in stages if data != "in1k")
    if data == "in1k":  # by default all classification benchmarks
        assert {stage.kind for stage in stages} == {
            "knn",
            "linear",
            "semi",
            "svm",
            "lowshot",
            "clustering",
        }


def test_stages_are_chosen_by_name_and_by_kind_and_keep_their_order():
    assert choose(STAGES, None) == (True, STAGES)
    assert choose(STAGES, ["linear", "pretrain"]) == (True, STAGES[1:])
    assert choose(STAGES, ["linear_places205", "knn"]) == (False, [STAGES[0], STAGES[2]])


def test_an_unknown_stage_is_refused_with_those_that_there_are():
    with pytest.raises(
        HCSCError,
        match=(
            r"no stage 'lineer'; there are pretrain, knn_in1k, linear_in1k, "
            r"linear_places205.*knn, "
            r"linear"
        ),
    ):
        choose(STAGES, ["knn", "lineer"])


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (None, "names no stages"),
        (["there_is_none.py"], "there is no benchmark config .*there_is_none.py"),
        ([str(ROOT / "configs/benchmarks/knn_in1k.py")] * 2, "two stages .* are called knn_in1k"),
    ],
)
def test_a_list_of_stages_that_cannot_be_run_is_refused(stages, message):
    with pytest.raises(HCSCError, match=message):
        stages_of(Config({} if stages is None else {"stages": stages}), "configs/mine.py")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/benchmarks").glob("*.py")), ids=lambda path: path.stem
)
def test_the_parts_of_every_benchmark_are_built_and_it_says_where_its_data_lie(path):
    cfg = load_config(str(path))
    assert cfg.test_evaluator and cfg.test_dataloader and cfg.get("test_cfg") is not None
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        MODELS.build(cfg.model)
        for evaluator in (
            cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        ):
            METRICS.build(evaluator)
        for pipeline in pipelines(cfg._cfg_dict):
            for transform in pipeline:
                TRANSFORMS.build(transform)
    if not path.stem.endswith("digits"):
        assert cfg.data_root.startswith("data/")


def pipelines(config: object) -> list[list]:
    if isinstance(config, dict):
        return [
            found
            for key, value in config.items()
            for found in ([value] if key == "pipeline" else pipelines(value))
        ]
    return (
        [found for value in config for found in pipelines(value)]
        if isinstance(config, (list, tuple))
        else []
    )
