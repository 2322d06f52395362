"""A chain of stages on the digits, run, stopped and run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS
from tiny import DIGITS, TINY

from hcsc_mm import HCSCError
from hcsc_mm.stages import Chain, ChainOptions

STAGES = ("knn", "linear", "clustering")


class StoppedError(Exception):
    """Stands for Ctrl-C; nothing between here and the test may catch it."""


@HOOKS.register_module(force=True)
class StopsWhile(Hook):
    """Ends the run after a step, as long as a file is there."""

    def __init__(self, file: str, iteration: int) -> None:
        self.file, self.iteration = file, iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.iteration and Path(self.file).exists():
            raise StoppedError


@METRICS.register_module(force=True)
class StopsTestsWhile:
    """The same for a stage that only tests."""

    def __init__(self, file: str) -> None:
        self.file = file

    def evaluate(self, test, train, checkpoint) -> dict[str, float]:
        if Path(self.file).exists():
            raise StoppedError
        return {"shape/dimensions": test.features.shape[1]}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """The tiny digits config, whose stages stop while files with their names lie beside it."""
    folder = tmp_path_factory.mktemp("configs")

    def write(name: str, base: Path, extra: str) -> None:
        (folder / f"{name}.py").write_text(
            f"_base_ = [{str(base)!r}]\nlog_level = 'WARNING'\n{extra}"
        )

    benchmarks = DIGITS.parent / "benchmarks"
    stop = {
        name: f"dict(type='mmengine.StopsWhile', file={str(folder / name)!r}, iteration="
        for name in ("pretrain", "linear")
    }
    write(
        "pretrain",
        DIGITS,
        f"custom_hooks = [{stop['pretrain']}9)]\nstages = {[f'{name}_x.py' for name in STAGES]}\n",
    )
    write(
        "linear_x",
        benchmarks / "linear_digits.py",
        f"custom_hooks = [*_base_.custom_hooks, {stop['linear']}25)]\n",
    )
    for name in ("knn", "clustering"):
        metrics = "_base_.test_evaluator" if name == "knn" else "*_base_.test_evaluator"
        extra = f"dict(type='mmengine.StopsTestsWhile', file={str(folder / name)!r})"
        write(
            f"{name}_x",
            benchmarks / f"{name}_digits.py",
            f"test_evaluator = [{metrics}, {extra}]\n",
        )
    return folder / "pretrain.py"


def chain(config: Path, work_dir: Path, **options) -> Chain:
    pretraining = {**TINY, "default_hooks.checkpoint.every_n_iters": 4, "log_level": "WARNING"}
    stages = {
        "linear.train_cfg.max_epochs": 2,
        "linear.default_hooks.checkpoint.every_n_iters": 10,
        "clustering.test_dataloader.dataset.indices": 100,
        "clustering.test_evaluator.0.num_clusters": (10,),
    }
    return Chain(
        str(config),
        ChainOptions(str(work_dir), cfg_options=pretraining, stage_options=stages, **options),
    )


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A chain that ran without a stop, and its folder."""
    folder = tmp_path_factory.mktemp("finished")
    return chain(config, folder).run(), folder


def numbers(results) -> dict:
    return {result.stage: result.metrics for result in results}


def test_all_stages_run_from_the_last_checkpoint_of_the_pretraining(finished):
    results, folder = finished
    assert [result.stage for result in results] == ["knn_x", "linear_x", "clustering_x"]
    assert {Path(result.checkpoint) for result in results} == {folder / "epoch_3.pth"}
    assert {"knn/top1_k1", "accuracy/top1", "clustering/10/ami", "hierarchy/0_12/purity"} <= {
        name for one in results for name in one.metrics
    }
    assert all(result.metrics.get("shape/dimensions", 32) == 32 for result in results)
    assert json.loads((folder / "results.json").read_text())[1]["metrics"] == results[1].metrics
    assert (folder / "results.md").read_text().count("\n") == 2 + 9


@pytest.mark.parametrize("stage", ["pretrain", *STAGES])
def test_a_chain_that_was_stopped_in_any_stage_ends_with_the_same_numbers(
    stage, config, finished, tmp_path
):
    stop = config.parent / stage
    stop.touch()
    try:
        with pytest.raises(StoppedError):
            chain(config, tmp_path).run()
    finally:
        stop.unlink()
    stages = ["pretrain", "knn_x", "linear_x", "clustering_x"]
    reached = stages.index(stage if stage == "pretrain" else f"{stage}_x")
    assert sorted(path.parts[-3] for path in tmp_path.glob("*/*/result.json")) == sorted(
        stages[1:reached]
    )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/result.json")}
    assert numbers(chain(config, tmp_path).run()) == numbers(finished[0])
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_finished_chain_is_not_run_again(config, finished):
    results, folder = finished
    before = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.suffix in (".pth", ".log")
    }
    assert chain(config, folder).run() == results
    assert {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.suffix in (".pth", ".log")
    } == before


def test_a_stage_whose_config_changed_is_run_again_and_the_old_result_is_kept(
    config, finished, tmp_path
):
    _, folder = finished
    shutil.copytree(folder, tmp_path / "copy")
    again = chain(config, tmp_path / "copy")
    again._configs[again.stages[0]].test_evaluator[0].k = (1,)
    assert numbers(again.run())["knn_x"].keys() == {"knn/top1_k1", "shape/dimensions"}
    assert len(list((tmp_path / "copy" / "knn_x").iterdir())) == 2


def test_a_table_keeps_the_stages_that_were_not_asked_for_this_time(config, finished):
    results, folder = finished
    assert chain(config, folder, stages=["knn"]).run() == results


def test_weights_of_others_are_judged_without_pretraining(config, finished, tmp_path):
    results, folder = finished
    found = chain(config, tmp_path, stages=["knn"], checkpoint=str(folder / "epoch_3.pth")).run()
    assert found[0].metrics == results[0].metrics
    assert not list(tmp_path.glob("*.pth"))


def test_stages_without_a_finished_pretraining_are_refused(config, tmp_path):
    with pytest.raises(HCSCError, match="is not finished; add the stage pretrain"):
        chain(config, tmp_path, stages=["knn"]).run()


def test_a_folder_with_another_pretraining_is_refused_and_left_alone(config, finished):
    _, folder = finished
    other = chain(config, folder)
    other.pretraining.model.momentum = 0.5
    before = sorted(folder.rglob("*.pth"))
    with pytest.raises(HCSCError, match="holds a pre-training of another config"):
        other.run()
    assert sorted(folder.rglob("*.pth")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"stages": ["knn", "nothing"]},
            "no stage 'nothing'; there are pretrain, knn_x, linear_x, clustering_x",
        ),
        ({"checkpoint": "none.pth"}, "there is no checkpoint none.pth"),
        ({"checkpoint": "none.pth", "stages": ["pretrain"]}, "instead of pre-training"),
    ],
)
def test_what_cannot_be_done_is_refused(options, message, config, tmp_path):
    with pytest.raises(HCSCError, match=message):
        chain(config, tmp_path, **options).run()


def test_options_for_an_unknown_stage_are_refused(config, tmp_path):
    with pytest.raises(HCSCError, match=r"--stage-options knm\.k: begin with a stage"):
        Chain(str(config), ChainOptions(str(tmp_path), stage_options={"knm.k": 1}))


def test_a_second_chain_in_the_same_folder_is_refused(config, finished):
    _, folder = finished
    first, second = chain(config, folder), chain(config, folder)
    with (
        first._alone_in_work_dir(),
        pytest.raises(HCSCError, match="another run of stages is at work"),
    ):
        second.run()


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"fc.weight": torch.zeros(2)}},
        {"state_dict": {"backbone.conv1.weight": torch.zeros(2)}},
    ],
)
def test_weights_that_do_not_fit_are_refused_before_a_stage_begins(content, config, tmp_path):
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(HCSCError, match=r"holds no weight under|another architecture"):
        chain(config, tmp_path / "run", stages=["knn"], checkpoint=str(tmp_path / "bad.pth")).run()
    assert not list((tmp_path / "run").glob("*/*/result.json"))
