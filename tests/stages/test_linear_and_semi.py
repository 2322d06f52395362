"""Linear and semi-supervised stages in a real Runner, from a checkpoint to an accuracy."""

import shutil

import pytest
import torch
from labelled import COLOURS, labelled_folder, stage_config
from mmengine.hooks import Hook
from sklearn.metrics import accuracy_score
from tiny import largest_difference

from hcsc_mm import HCSCError
from hcsc_mm.runtime import launch
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.runtime.pretrained import check_pretrained
from hcsc_mm.stages.results import Result, table
from hcsc_mm.utils.metric_values import show


@pytest.fixture
def images(tmp_path):
    return labelled_folder(tmp_path / "images")


def backbone_of(state):
    return {
        name.removeprefix("backbone."): value
        for name, value in state.items()
        if name.startswith("backbone.")
    }


def pretrained(tmp_path):
    return backbone_of(torch.load(tmp_path / "pretrained.pth", weights_only=True)["state_dict"])


class Watch(Hook):
    """The accuracies of the validations, the labels that training saw, and the learning rates."""

    def __init__(self):
        self.accuracies, self.paths, self.rates = [], set(), set()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.paths.update(sample.img_path for sample in data_batch["data_samples"])
        self.rates.update(group["lr"] for group in runner.optim_wrapper.param_groups)

    def after_val_epoch(self, runner, metrics=None):
        self.accuracies.append(metrics["accuracy/top1"])


def run(cfg):
    """As hcsc_mm.runtime.launch.train does it, with a hook that watches."""
    runner, watch = build_runner(cfg), Watch()
    check_pretrained(runner.model)
    runner.register_hook(watch)
    runner.train()
    return runner, watch


def test_linear_probe_learns_colours_and_leaves_the_backbone_as_it_was_bit_by_bit(tmp_path, images):
    runner, watch = run(stage_config("linear_folder", tmp_path, images, train_cfg__max_epochs=4))
    before, after = pretrained(tmp_path), backbone_of(runner.model.state_dict())
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert len(watch.accuracies) == 4
    assert watch.accuracies[-1] > 80, "a third by chance"


def test_reported_accuracy_is_that_of_the_last_epochs_predictions(tmp_path, images):
    runner, watch = run(stage_config("linear_folder", tmp_path, images, train_cfg__max_epochs=1))
    runner.model.eval()
    truth, predicted = [], []
    for batch in runner.val_dataloader:
        with torch.no_grad():
            predicted += [int(sample.pred_label) for sample in runner.model.val_step(batch)]
        truth += [int(sample.gt_label) for sample in batch["data_samples"]]
    assert watch.accuracies[-1] == pytest.approx(100 * accuracy_score(truth, predicted), abs=1e-4)
    assert runner.test()["accuracy/top1"] == pytest.approx(watch.accuracies[-1], abs=1e-4)


@pytest.mark.parametrize("name", ["linear_folder", "semi_folder"])
def test_resumed_run_ends_with_the_numbers_of_the_uninterrupted_one(tmp_path, images, name):
    whole, watch = run(stage_config(name, tmp_path, images, "whole", train_cfg__max_epochs=2))
    (tmp_path / "part").mkdir()
    shutil.copy(tmp_path / "whole" / "epoch_1.pth", tmp_path / "part")
    resumed, rest = run(
        stage_config(name, tmp_path, images, "part", train_cfg__max_epochs=2, resume=True)
    )
    assert largest_difference(whole.model.state_dict(), resumed.model.state_dict()) == 0
    assert rest.accuracies == watch.accuracies[1:]


def test_fine_tuning_trains_all_on_the_drawn_images_alone_with_the_heads_own_rate(tmp_path, images):
    cfg = stage_config(
        "semi_folder",
        tmp_path,
        images,
        train_dataloader__dataset__per_class=2,
        train_cfg__max_epochs=1,
    )
    cfg.optim_wrapper.optimizer.lr = 0.005
    runner, watch = run(cfg)
    assert len(watch.paths) == 6
    assert sorted(watch.rates) == pytest.approx([0.005, 0.02])
    before, after = pretrained(tmp_path), backbone_of(runner.model.state_dict())
    assert all(
        not torch.equal(after[name], value)
        for name, value in before.items()
        if name.endswith("conv1.weight")
    )


def test_share_of_each_class_is_the_default_of_fine_tuning(tmp_path, images):
    _, watch = run(stage_config("semi_folder", tmp_path, images, train_cfg__max_epochs=1))
    assert len(watch.paths) == 3, "a tenth of eight, at least one"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "linear",
            {"model__head__num_classes": 10},
            "num_classes=10, the training set 3 classes; set num_classes .*head.num_classes=3",
        ),
        ("semi", {"model__head__num_classes": 2}, "num_classes=2, the training set 3 classes"),
        (
            "linear",
            {"model__head__in_channels": 2048},
            "in_channels=2048, the backbone gives 32; set model.head.in_channels=32",
        ),
        (
            "semi",
            {"model__head__in_channels": 2048},
            "in_channels=2048, the backbone gives 32; set model.head.in_channels=32",
        ),
        (
            "linear",
            {"val_evaluator__topk": (1, 5)},
            r"top-5 accuracy of 3 classes is asked for; add .*topk=\"\(1,\)\"",
        ),
        ("linear", {"model__backbone__depth": 34}, "is of another architecture"),
        ("semi", {"model__backbone__init_cfg__checkpoint": None}, "add --checkpoint FILE"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(
    tmp_path, images, name, options, message
):
    cfg = stage_config(f"{name}_folder", tmp_path, images, **options)
    with pytest.raises(HCSCError, match=message):
        run(cfg)
    assert not list((tmp_path / "run").glob("*.pth"))


def test_other_classes_in_the_validation_set_are_refused(tmp_path, images):
    (images / "val" / "red").rename(images / "val" / "rouge")
    with pytest.raises(
        HCSCError, match="red only in the training set and rouge only in the test set"
    ):
        run(stage_config("linear_folder", tmp_path, images))


def test_a_test_alone_is_checked_too(tmp_path):
    more = labelled_folder(tmp_path / "more", 1, 2, {**COLOURS, "white": (250, 250, 250)})
    runner = build_runner(stage_config("linear_folder", tmp_path, more))
    with pytest.raises(HCSCError, match="num_classes=3, the test set 4 classes"):
        runner.test()
    runner = build_runner(stage_config("linear_folder", tmp_path, more))
    with pytest.raises(HCSCError, match="num_classes=3, the validation set 4 classes"):
        runner.val()


def test_lists_do_as_well_as_folders(tmp_path, images):
    for part in ("train", "val"):
        lines = [
            f"{path.relative_to(images)}, {list(COLOURS).index(path.parent.name)}"
            for path in sorted((images / part).rglob("*.png"))
        ]
        (images / f"{part}.txt").write_text("\n".join(lines))
    options = {f"{part}_dataloader__dataset__data_prefix": "." for part in ("train", "val", "test")}
    options |= {f"{part}_dataloader__dataset__ann_file": f"{part}.txt" for part in ("train", "val")}
    options["test_dataloader__dataset__ann_file"] = "val.txt"
    by_list, _ = run(
        stage_config("linear_folder", tmp_path, images, "lists", train_cfg__max_epochs=1, **options)
    )
    by_folder, _ = run(
        stage_config("linear_folder", tmp_path, images, "folders", train_cfg__max_epochs=1)
    )
    assert largest_difference(by_list.model.state_dict(), by_folder.model.state_dict()) == 0


@pytest.mark.parametrize(
    ("metric", "name", "shape"),
    [
        (dict(type="SingleLabelMetric", average=None), "single-label/recall_classwise", (3,)),
        (dict(type="ConfusionMatrix"), "confusion_matrix/result", (3, 3)),
        (dict(type="SingleLabelMetric", average="micro"), "single-label/f1-score_micro", ()),
        (dict(type="Accuracy", topk=(1, 2)), "accuracy/top2", ()),
    ],
)
def test_what_a_metric_says_of_each_class_is_a_result_of_the_stage(
    tmp_path, images, metric, name, shape
):
    cfg = stage_config("linear_folder", tmp_path, images, train_cfg__max_epochs=1)
    cfg.val_evaluator = cfg.test_evaluator = metric
    metrics = launch.test_metrics(launch.train(cfg))
    assert torch.tensor(metrics.values[name]).shape == shape
    Result("linear", "c.py", "i", "w", "s", "2022", *metrics).save(str(tmp_path))
    found = Result.load(str(tmp_path))
    assert (found.metrics, found.classes) == (
        metrics.values,
        ["blue", "green", "red"] if shape else None,
    )
    for text in (table([found]), show(*metrics)):
        lines = [
            line for line in text.splitlines() if line.startswith(("| blue", "| green", "| red"))
        ]
        assert len(lines) == (3 if shape else 0)
