"""A linear classifier beside a pre-training: right, resumable, and without any effect on it."""

import json
from pathlib import Path

import distributed_workers as workers
import probe_workers
import pytest
import torch
import torch.nn.functional as F
from labelled import labelled_folder
from mmengine.hooks import Hook
from sklearn.metrics import accuracy_score
from tiny import folder_config, tiny_config, train
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.engine import OnlineLinearProbeHook
from hcsc_mm.runtime.launch import build_runner

DIGITS = dict(
    type="hcsc_mm.Digits",
    split="test",
    indices=50,
    pipeline=[dict(type="Resize", scale=16, backend="pillow"), dict(type="PackInputs")],
)


def config(work_dir, probe=None, **options):
    """The tiny digits run with a probe; ``probe=False``: without."""
    cfg = tiny_config(work_dir, **options)
    if probe is not False:
        defaults = dict(
            in_channels=32, val_dataloader=dict(batch_size=16, dataset=DIGITS), log_interval=4
        )
        cfg.custom_hooks.append(
            {"type": "hcsc_mm.OnlineLinearProbeHook", **defaults, **(probe or {})}
        )
    return cfg


def probe_of(runner):
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, OnlineLinearProbeHook)]
    return hook._probe


def curve(work_dir, name):
    lines = next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()
    return {entry["step"]: entry[name] for entry in map(json.loads, lines) if name in entry}


def bits(runner, record):
    state = {name: value.clone() for name, value in runner.model.state_dict().items()}
    momenta = [entry["momentum_buffer"] for entry in runner.optim_wrapper.optimizer.state.values()]
    return state, momenta, record.losses, runner.model.hierarchy.assignment, torch.get_rng_state()


def assert_equal(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, (list, tuple)):
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


class Features(Hook):
    """Features, labels and right answers of each step, as a second opinion sees them."""

    priority = "LOW"

    def before_train(self, runner):
        self.features, self.labels, self.calls = [], [], []
        runner.model.backbone.register_forward_hook(
            lambda module, inputs, outputs: self.calls.append(outputs[-1].detach().mean((2, 3)))
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.calls.clear()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.features.append(self.calls[0].clone())
        self.labels.append(torch.cat([sample.gt_label for sample in data_batch["data_samples"]]))


def trained_alone(features, labels, lr, momentum):
    """PyTorch's own layer, loss and backward pass on the same features; the share of right answers
    before each step.
    """
    line = nn.Linear(features[0].shape[1], 10)
    nn.init.zeros_(line.weight), nn.init.zeros_(line.bias)
    optimizer, right = torch.optim.SGD(line.parameters(), lr=lr, momentum=momentum), []
    for batch, truth in zip(features, labels, strict=True):
        scores = line(batch)
        right.append((scores.argmax(1) == truth).float().mean())
        optimizer.zero_grad()
        F.cross_entropy(scores, truth).backward()
        optimizer.step()
    return line, torch.stack(right)


def test_pre_training_is_equal_bit_by_bit_with_and_without_it(tmp_path):
    workers = dict(train_dataloader__num_workers=2, train_cfg__max_epochs=2)
    without = bits(*train(config(tmp_path / "without", probe=False, **workers)))
    loader = dict(batch_size=16, num_workers=1, dataset=DIGITS)
    assert_equal(
        without,
        bits(*train(config(tmp_path / "with", probe=dict(val_dataloader=loader), **workers))),
    )


def test_weights_and_training_accuracy_are_those_of_a_plain_layer_on_the_query_views(tmp_path):
    runner, watch = build_runner(config(tmp_path, probe=dict(lr=0.3, momentum=0.8))), Features()
    runner.register_hook(watch)
    runner.train()
    line, right = trained_alone(watch.features, watch.labels, lr=0.3, momentum=0.8)
    torch.testing.assert_close(probe_of(runner).weight, line.weight)
    torch.testing.assert_close(probe_of(runner).bias, line.bias)
    logged = curve(tmp_path, "probe/train_top1")
    assert list(logged) == [4, 8, 12, 16]  # 6 steps an epoch
    assert list(logged.values()) == pytest.approx((100 * right[:16].view(4, 4).mean(1)).tolist())


def test_evaluation_is_that_of_the_backbone_in_eval_mode_at_its_interval_and_at_the_end(tmp_path):
    runner, _ = train(config(tmp_path, probe=dict(interval=2), train_cfg__max_epochs=3))
    logged = curve(tmp_path, "probe/top1")
    assert list(logged) == [12, 18]
    runner.model.eval()
    loader = runner.build_dataloader(
        dict(
            batch_size=7,
            num_workers=0,
            dataset=DIGITS,
            sampler=dict(type="DefaultSampler", shuffle=False),
        )
    )
    truth, predicted = [], []
    for batch in loader:
        with torch.no_grad():
            features = runner.model.backbone(runner.model.preprocess(torch.stack(batch["inputs"])))[
                -1
            ].mean((2, 3))
        predicted += (
            (features @ probe_of(runner).weight.T + probe_of(runner).bias).argmax(1).tolist()
        )
        truth += [int(sample.gt_label) for sample in batch["data_samples"]]
    assert len(truth) == 50
    assert logged[18] == pytest.approx(100 * accuracy_score(truth, predicted))


class Stop(Exception):  # noqa: N818
    pass


class StopAfter(Hook):
    priority = "LOWEST"  # when the checkpoint has been written

    def __init__(self, iterations):
        self.iterations = iterations

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iterations:
            raise Stop


def resumed(cfg):
    cfg.resume = True
    cfg.experiment_name += "_again"
    cfg.work_dir, folder = str(cfg.work_dir), cfg.work_dir
    runner, _ = train(cfg)
    newest = max(
        Path(folder).glob("*/vis_data/scalars.json"), key=lambda path: path.stat().st_mtime_ns
    )
    return runner, [json.loads(line) for line in newest.read_text().splitlines()]


@pytest.mark.parametrize("iterations", [7, 9])
def test_resumed_probe_is_the_uninterrupted_one(tmp_path, iterations):
    """From the end of an epoch (6 steps) with the last 2 of them not yet logged, and from the
    middle of the next.
    """
    options = {"train_cfg__max_epochs": 2}
    whole, _ = train(config(tmp_path / "whole", **options))
    if iterations == 9:
        options["default_hooks__checkpoint__every_n_iters"] = 9
    stopped = build_runner(config(tmp_path / "part", **options))
    stopped.register_hook(StopAfter(iterations))
    with pytest.raises(Stop):
        stopped.train()
    rest, scalars = resumed(config(tmp_path / "part", **options))
    for name in ("weight", "bias", "counts"):
        assert torch.equal(getattr(probe_of(whole), name), getattr(probe_of(rest), name))
    assert_equal(
        *(
            [entry["momentum_buffer"] for entry in probe_of(runner).optimizer.state.values()]
            for runner in (whole, rest)
        )
    )
    for name in ("probe/top1", "probe/train_top1"):
        again = {entry["step"]: entry[name] for entry in scalars if name in entry}
        assert again and again.items() <= curve(tmp_path / "whole", name).items()


def test_checkpoint_without_a_probe_resumes_with_a_new_one(tmp_path):
    train(config(tmp_path, probe=False, train_cfg__max_epochs=1))
    runner, scalars = resumed(config(tmp_path, train_cfg__max_epochs=2))
    assert [entry["step"] for entry in scalars if "probe/top1" in entry] == [12]
    assert float(probe_of(runner).weight.detach().abs().sum()) > 0


def test_checkpoint_of_another_probe_is_refused(tmp_path):
    train(config(tmp_path, train_cfg__max_epochs=1))
    path = tmp_path / "epoch_1.pth"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["online_linear_probe"]["weight"] = torch.zeros(7, 32)
    torch.save(checkpoint, path)
    with pytest.raises(
        HCSCError, match=r"online probe has \(7, 32\) classes and channels, the run's \(10, 32\)"
    ):
        resumed(config(tmp_path))


def other_method(work_dir, model, probe=None):
    """The tiny digits with a self-supervised model of mmpretrain's."""
    cfg = config(work_dir, probe, train_cfg__max_epochs=1)
    cfg.default_hooks.clustering = None
    backbone, preprocessor = cfg.model.backbone, cfg.model.data_preprocessor
    backbone.norm_cfg = dict(type="BN")
    cfg.model = dict(data_preprocessor=preprocessor, backbone=backbone, **model)
    return cfg


NECK = dict(
    type="NonLinearNeck",
    in_channels=32,
    hid_channels=16,
    out_channels=8,
    num_layers=2,
    with_avg_pool=True,
)
SIMCLR = dict(
    type="SimCLR",
    neck=NECK,
    head=dict(type="ContrastiveHead", loss=dict(type="CrossEntropyLoss"), temperature=0.1),
)
BYOL = dict(
    type="BYOL",
    neck=NECK,
    head=dict(
        type="LatentPredictHead",
        loss=dict(type="CosineSimilarityLoss"),
        predictor=dict(
            type="NonLinearNeck",
            in_channels=8,
            hid_channels=16,
            out_channels=8,
            with_bias=True,
            with_last_bn=False,
            with_avg_pool=False,
        ),
    ),
)


def test_other_methods_can_be_probed(tmp_path):
    runner, watch = build_runner(other_method(tmp_path, BYOL)), Features()
    runner.register_hook(watch)
    runner.train()
    line, _ = trained_alone(watch.features, watch.labels, lr=0.1, momentum=0.9)
    torch.testing.assert_close(probe_of(runner).weight, line.weight)


def test_first_of_two_views_in_one_call_is_taken_once_it_is_known_where_it_is(tmp_path):
    runner, watch = (
        build_runner(other_method(tmp_path / "simclr", SIMCLR, dict(views="interleaved"))),
        Features(),
    )
    runner.register_hook(watch)
    runner.train()
    line, _ = trained_alone(
        [features[::2] for features in watch.features], watch.labels, lr=0.1, momentum=0.9
    )
    torch.testing.assert_close(probe_of(runner).weight, line.weight)
    with pytest.raises(
        HCSCError, match=r"embeds 32 views of 16 images; set views='interleaved' \(SimCLR\)"
    ):
        build_runner(other_method(tmp_path / "unsaid", SIMCLR)).train()


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (dict(in_channels=64), r"in_channels=64\) got features of shape \(16, 32\)"),
        (dict(in_channels=0), "in_channels=0"),
        (dict(lr=0), "lr=0 above 0"),
        (dict(interval=0), "interval=0"),
        (dict(views="mixed"), "views='mixed' of OnlineLinearProbeHook is unknown"),
    ],
)
def test_wrong_numbers_are_refused(tmp_path, probe, message):
    with pytest.raises(HCSCError, match=message):
        train(config(tmp_path, probe))


def test_training_set_without_labels_and_a_validation_set_of_others_are_refused(tmp_path):
    images = labelled_folder(tmp_path / "images", 8, 1)
    cfg = folder_config(tmp_path, images)
    cfg.custom_hooks.append(dict(type="hcsc_mm.OnlineLinearProbeHook", in_channels=32))
    with pytest.raises(
        HCSCError,
        match=r"the training set, a ImageFolder, names no classes; use hcsc_mm\.LabelledImages",
    ):
        train(cfg)
    other = dict(dataset=dict(type="hcsc_mm.LabelledImages", data_root=str(images / "val")))
    with pytest.raises(HCSCError, match="different classes"):
        train(config(tmp_path / "other", dict(val_dataloader=other)))


def test_labelled_images_can_be_pre_trained_on_and_probed(tmp_path):
    images = labelled_folder(tmp_path / "images", 11, 5)
    cfg = folder_config(tmp_path, images)
    dataset = cfg.train_dataloader.dataset
    dataset.update(type="hcsc_mm.LabelledImages", data_prefix="train")
    load = dict(type="hcsc_mm.LoadImage")
    val = dict(type="hcsc_mm.LabelledImages", data_root=str(images), data_prefix="val")
    val["pipeline"] = [load, dict(type="Resize", scale=16), dict(type="PackInputs")]
    cfg.custom_hooks.append(
        dict(type="hcsc_mm.OnlineLinearProbeHook", in_channels=32, val_dataloader=dict(dataset=val))
    )
    runner, _ = train(cfg)
    assert probe_of(runner).weight.shape == (3, 32)
    assert list(curve(tmp_path / "run", "probe/top1")) == [2, 4]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return workers.run_on_ranks([probe_workers.probe_in_parts], 2, tmp_path_factory.mktemp("ranks"))


def test_two_ranks_train_the_probe_of_one_process(ranks):
    alone = probe_workers.probe_in_parts()
    first, second = (rank["probe_in_parts"] for rank in ranks)
    for name in ("weight", "bias"):
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], alone[name])
    assert first["train_top1"] == second["train_top1"] == pytest.approx(alone["train_top1"])


def test_two_ranks_evaluate_with_the_first_ranks_statistics_and_keep_their_own(ranks):
    alone = probe_workers.probe_in_parts()
    for number, rank in enumerate(ranks):
        assert rank["probe_in_parts"]["top1"] == alone["top1"]
        assert rank["probe_in_parts"]["statistics"] == [number + 1.0] * 4
