"""What a chain has found is kept and shown, whatever becomes of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from labelled import labelled_folder
from mmengine.registry import METRICS
from small_trees import checkpoint, photos
from tiny import DIGITS, TINY

from hcsc_mm import HCSCError
from hcsc_mm.stages import Chain, ChainOptions
from hcsc_mm.stages.data import DataSets
from hcsc_mm.stages.rehearsal import rehearse

BENCHMARKS = DIGITS.parent / "benchmarks"


@METRICS.register_module(force=True)
class BreaksDown:
    """An evaluator with a fault."""

    def evaluate(self, test, train, checkpoint) -> dict[str, float]:
        raise ZeroDivisionError


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Of a pre-training on images that are not those of the stages."""
    folder = tmp_path_factory.mktemp("weights")
    return checkpoint(folder / "epoch_3.pth", photos(folder / "unlabelled") / "train")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return labelled_folder(tmp_path_factory.mktemp("images"), train=6, val=4)


def chain(work_dir: Path, weights: Path, images: Path, clustering: str = "") -> Chain:
    """kNN, then clusters, with ``clustering`` in the place of its evaluators."""
    work_dir.mkdir(exist_ok=True)
    text = f"_base_ = [{str(BENCHMARKS / 'clustering_folder.py')!r}]\n{clustering}"
    (work_dir / "clustering_x.py").write_text(text)
    stages = [str(BENCHMARKS / "knn_folder.py"), str(work_dir / "clustering_x.py")]
    config = work_dir / "pretraining.py"
    config.write_text(f"_base_ = [{str(DIGITS)!r}]\nstages = {stages}\n")
    options = {
        "all.data_root": str(images),
        "all.log_level": "WARNING",
        "knn.k": (1, 3),
        "knn.test_cfg.train_dataloader.num_workers": 0,
        "all.test_dataloader.num_workers": 0,
    }
    if not clustering:
        options["clustering.num_clusters"] = (3,)
    return Chain(
        str(config),
        ChainOptions(
            str(work_dir / "run"),
            checkpoint=str(weights),
            cfg_options=TINY,
            stage_options=options,
        ),
    )


def log_of(folder: Path) -> list[str]:
    return [line for log in folder.rglob("*.log") for line in log.read_text().splitlines()]


def test_scores_that_do_not_apply_are_left_out_with_a_line(weights, images, tmp_path, capsys):
    knn, clusters = chain(tmp_path, weights, images).run()
    assert set(knn.metrics) == {"knn/top1_k1", "knn/top1_k3"}
    assert {name.split("/")[0] for name in clusters.metrics} == {"clustering"}
    (line,) = [line for line in log_of(tmp_path) if "left out: " in line]
    assert "HierarchyScores: the hierarchy in" in line
    assert "is of 24 training images, and the data set under test has 18" in line
    assert "| clustering_x " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("evaluators", "error"),
    [
        ("[dict(type='hcsc_mm.HierarchyScores')]", "give the clustering stage the pre-training's"),
        ("[dict(type='hcsc_mm.Clustering', num_clusters=(19,))]", "exceeds the 18 images"),
    ],
)
def test_the_table_of_what_is_finished_is_printed_when_a_later_stage_cannot_run(
    evaluators, error, weights, images, tmp_path, capsys
):
    made = chain(tmp_path, weights, images, f"test_evaluator = {evaluators}")
    with pytest.raises(HCSCError, match=error):
        made.run()
    printed = capsys.readouterr().out
    assert printed.endswith((tmp_path / "run" / "results.md").read_text())
    assert "| knn_folder " in printed and "| clustering_x " not in printed


def test_an_evaluator_that_breaks_down_leaves_what_the_others_found_in_the_log(
    weights, images, tmp_path, capsys
):
    evaluators = "dict(type='hcsc_mm.Clustering', num_clusters=(3,)), dict(type='mmengine.Brea"
    made = chain(tmp_path, weights, images, f"test_evaluator = [{evaluators}ksDown')]")
    with pytest.raises(ZeroDivisionError):
        made.run()
    (line,) = [line for line in log_of(tmp_path) if "found before the error: " in line]
    assert "clustering/3/ami 1.0000" in line
    assert "| knn_folder " in capsys.readouterr().out


def test_other_images_or_labels_are_another_stage_and_the_old_result_stays(
    weights, images, tmp_path, capsys
):
    root = tmp_path / "images"
    shutil.copytree(images, root)
    first = run_knn(tmp_path, weights, root)
    assert run_knn(tmp_path, weights, root) == first
    assert "finished on" in capsys.readouterr().err
    # labels are mended: the same files, another class
    wrong = root / "train" / "red"
    for file in sorted(wrong.iterdir())[:3]:
        file.rename(root / "train" / "green" / file.name)
    second = run_knn(tmp_path, weights, root)
    assert second.inputs != first.inputs
    assert "knn_folder: images or labels are others than for" in capsys.readouterr().err
    assert len(list((tmp_path / "run" / "knn_folder").glob("*/result.json"))) == 2
    assert run_knn(tmp_path, weights, root) == second


def run_knn(work_dir: Path, weights: Path, images: Path):
    made = chain(work_dir, weights, images)
    made.stages = made.stages[:1]
    return next(one for one in made.run() if one.stage == "knn_folder")


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("knn_folder", {}, r"the stage knn_folder could not run: k=20 must lie in \[1, 18\]"),
        ("linear_folder", {}, "head has num_classes=10, the training set 3 classes"),
        ("svm_folder", {"svm.shots": (7,)}, "the stage svm_folder could not run: .*6"),
        ("clustering_folder", {}, "num_clusters=100 of Clustering exceeds the 18 images"),
        ("linear_folder", {"linear.num_classes": 3}, None),
        ("knn_folder", {"knn.k": (18,)}, None),
    ],
)
def test_what_a_stage_asks_of_its_data_is_asked_before_the_pre_training(
    stage, options, message, images, tmp_path
):
    config = tmp_path / "pretraining.py"
    stages = [str(BENCHMARKS / f"{stage}.py")]
    config.write_text(f"_base_ = [{str(DIGITS)!r}]\nstages = {stages}\n")
    options = {"all.data_root": str(images), **options}
    made = Chain(str(config), ChainOptions(str(tmp_path / "run"), stage_options=options))
    configs = {stage: made._stage_as_run(made.stages[0], "")}
    if message is None:
        rehearse(configs, DataSets())
        return
    with pytest.raises(HCSCError, match=message) as error:
        made.run()
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "run").glob("*.pth"))
