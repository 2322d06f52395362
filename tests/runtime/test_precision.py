"""Mixed precision on CPUs, and images that lie channels last."""

import argparse

import pytest
import torch
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.models import SplitBatchNorm2d
from hcsc_mm.runtime.command_line import add_amp, parse
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.runtime.precision import check_precision, cpu_has_bfloat16, use_mixed_precision

SHORT = {"train_cfg__max_epochs": 2, "train_dataloader__dataset__indices": 48}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--amp", "a.py"], "fp16"),
        (["a.py", "--amp"], "fp16"),
        (["a.py", "--amp", "bf16"], "bf16"),
        (["--amp", "bf16", "a.py"], "bf16"),
        (["a.py"], None),
    ],
)
def test_the_flag_takes_a_kind_or_none(words, kind):
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    add_amp(parser)
    args = parse(parser, words)
    assert (args.amp, args.config) == (kind, "a.py")


def test_bf16_trains_on_a_cpu_close_to_float32_and_clusters(tmp_path):
    plain, record = train(tiny_config(tmp_path / "plain", **SHORT))
    cfg = tiny_config(tmp_path / "bf16", **SHORT)
    use_mixed_precision(cfg, "bf16")
    mixed, mixed_record = train(cfg)
    assert mixed.model.hierarchy is not None
    assert all(weight.dtype == torch.float32 for weight in mixed.model.parameters())
    assert mixed.model.queue.keys.dtype == torch.float32
    first, mixed_first = record.losses[:3], mixed_record.losses[:3]  # before clusters differ
    assert mixed_first == pytest.approx(first, rel=0.05) and mixed_first != first
    assert plain.model.queue.keys.shape == mixed.model.queue.keys.shape


def test_losses_and_draws_are_float32_within_a_bf16_step(tmp_path):
    cfg = tiny_config(tmp_path, **SHORT)
    use_mixed_precision(cfg, "bf16")
    runner, _ = train(cfg)
    model = runner.model.train()
    images = [torch.randn(16, 3, 16, 16) for _ in range(2)]
    with runner.optim_wrapper.optim_context(model):
        features = model.backbone(images[0])[-1]
        embedding = model.encode_query(images[0])
        losses = model.head.loss([embedding], embedding.detach(), model.queue.keys)
    assert features.dtype == torch.bfloat16
    assert embedding.dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in losses.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_cpu_refuses_fp16_and_warns_where_bf16_is_slow(tmp_path):
    cfg = tiny_config(tmp_path)
    use_mixed_precision(cfg)
    with pytest.raises(HCSCError, match="take --amp bf16"):
        build_runner(cfg)
    use_mixed_precision(cfg, "bf16")
    assert "loss_scale" not in cfg.optim_wrapper
    if cpu_has_bfloat16():
        assert check_precision(cfg) is None
    else:
        assert "will be slower" in check_precision(cfg)


def test_channels_last_trains_and_clusters_as_before(tmp_path):
    plain, record = train(tiny_config(tmp_path / "plain", **SHORT))
    other, other_record = train(tiny_config(tmp_path / "last", **SHORT, channels_last=True))
    assert other_record.losses == pytest.approx(record.losses, rel=1e-4)
    assert largest_difference(plain.model.state_dict(), other.model.state_dict()) < 1e-3
    weight = other.model.backbone.layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    weight = other.model.momentum_encoder.encoder[0].layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", [None, "bf16"])
def test_a_channels_last_run_resumes_as_if_it_had_not_stopped(tmp_path, kind):
    def config(folder, **options):
        cfg = tiny_config(tmp_path / folder, **{**SHORT, **options}, channels_last=True)
        if kind is not None:
            use_mixed_precision(cfg, kind)
        return cfg

    whole, _ = train(config("whole"))
    saved = tmp_path / "whole/epoch_1.pth"
    rest, _ = train(config("rest", resume=True, load_from=str(saved)))
    assert largest_difference(whole.model.state_dict(), rest.model.state_dict()) == 0


def test_split_norm_of_channels_last_images_keeps_order_gradient_and_statistics():
    plain, other = SplitBatchNorm2d(4, num_splits=3), SplitBatchNorm2d(4, num_splits=3)
    images = torch.randn(6, 4, 5, 7)
    inputs = [images.clone().requires_grad_(), images.clone().requires_grad_()]
    outputs = [plain(inputs[0]), other(inputs[1].to(memory_format=torch.channels_last))]
    assert outputs[1].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(*outputs)
    weights = torch.randn(6, 4, 5, 7)
    for output in outputs:
        (output * weights).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(plain.state_dict(), other.state_dict())
