"""Separate statistics per part of the batch."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import SplitBatchNorm1d, SplitBatchNorm2d


def pair(num_splits, **kwargs):
    split, plain = SplitBatchNorm2d(5, num_splits=num_splits, **kwargs), nn.BatchNorm2d(5, **kwargs)
    if split.affine:
        nn.init.normal_(split.weight)
        nn.init.normal_(split.bias)
    plain.load_state_dict(split.state_dict())
    return split, plain


def test_state_dict_is_that_of_plain_batch_norm():
    assert SplitBatchNorm2d(5).state_dict().keys() == nn.BatchNorm2d(5).state_dict().keys()


def test_in_eval_mode_it_is_batch_norm_for_any_batch():
    split, plain = pair(4)
    split(torch.randn(8, 5, 3, 3) + 2)
    plain.load_state_dict(split.state_dict())
    images = torch.randn(7, 5, 3, 3)
    assert torch.equal(split.eval()(images), plain.eval()(images))


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"momentum": 0.3, "eps": 0.1}, {"affine": False}],
    ids=["default", "other_numbers", "without_scale"],
)
def test_with_one_part_it_is_batch_norm_in_training(kwargs):
    split, plain = pair(1, **kwargs)
    for _ in range(3):
        images = torch.randn(6, 5, 3, 3)
        torch.testing.assert_close(split(images), plain(images))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(split.state_dict()[name], value)


@pytest.mark.parametrize("num_splits", [2, 4, 8])
def test_each_part_is_normalised_alone_and_running_statistics_are_averaged(num_splits):
    split, plain = pair(num_splits)
    images = torch.randn(16, 5, 3, 3) * torch.arange(1, 17).view(-1, 1, 1, 1)
    output = split(images)
    statistics = []
    for part in range(num_splits):
        alone = nn.BatchNorm2d(5)
        alone.load_state_dict(plain.state_dict())
        torch.testing.assert_close(
            output[part::num_splits], alone(images[part::num_splits]), atol=1e-5, rtol=1e-5
        )
        statistics.append(torch.stack([alone.running_mean, alone.running_var]))
    mean, var = torch.stack(statistics).mean(dim=0)
    torch.testing.assert_close(split.running_mean, mean)
    torch.testing.assert_close(split.running_var, var)
    assert int(split.num_batches_tracked) == 1


def test_gradients_are_those_of_separate_batch_norms():
    split, plain = pair(4)
    images = torch.randn(8, 5, 3, 3, requires_grad=True)
    weight = torch.randn(8, 5, 3, 3)
    (split(images) * weight).sum().backward()
    twin = images.detach().clone().requires_grad_()
    sum((plain(twin[part::4]) * weight[part::4]).sum() for part in range(4)).backward()
    torch.testing.assert_close(images.grad, twin.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(split.weight.grad, plain.weight.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(split.bias.grad, plain.bias.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("affine", [True, False])
def test_vectors_are_normalised_as_maps_of_one_position(affine):
    vectors, maps = SplitBatchNorm1d(5, 4, affine=affine), SplitBatchNorm2d(5, 4, affine=affine)
    features = torch.randn(16, 5) * torch.arange(1, 17).view(-1, 1)
    torch.testing.assert_close(vectors(features), maps(features[:, :, None, None])[:, :, 0, 0])
    for name, value in maps.state_dict().items():
        torch.testing.assert_close(vectors.state_dict()[name], value)
    assert ("weight" in vectors.state_dict()) == affine


@pytest.mark.parametrize(
    ("norm", "shape"), [(SplitBatchNorm1d(5, 2), (4, 5, 3, 3)), (SplitBatchNorm2d(5, 2), (4, 5))]
)
def test_a_shape_of_the_other_kind_is_refused(norm, shape):
    with pytest.raises(ValueError, match="expected"):
        norm(torch.randn(shape))


def test_channels_last_images_give_the_same():
    split, _ = pair(4)
    images = torch.randn(8, 5, 3, 3)
    torch.testing.assert_close(split(images.to(memory_format=torch.channels_last)), split(images))


def test_a_batch_that_does_not_divide_is_refused_with_both_numbers():
    with pytest.raises(HCSCError, match="batch 6 is not divisible by num_splits=4"):
        SplitBatchNorm2d(5, num_splits=4)(torch.randn(6, 5, 3, 3))


def test_no_parts_are_refused():
    with pytest.raises(HCSCError, match="num_splits=0"):
        SplitBatchNorm2d(5, num_splits=0)


def test_mmcv_builds_a_backbone_with_it_under_the_names_of_plain_batch_norm():
    def build(norm_cfg):
        return MODELS.build(
            {
                "type": "mmpretrain.ResNet_CIFAR",
                "depth": 18,
                "base_channels": 4,
                "stem_channels": 4,
                "norm_cfg": norm_cfg,
            }
        )

    split, plain = (
        build({"type": "hcsc_mm.SplitBatchNorm2d", "num_splits": 2}),
        build({"type": "BN"}),
    )
    assert split.state_dict().keys() == plain.state_dict().keys()
    assert sum(isinstance(module, SplitBatchNorm2d) for module in split.modules()) == 20


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_activations_may_be_recomputed(order):
    """``with_cp=True`` of a ResNet: less memory, the same gradients."""
    images, gradients = torch.randn(8, 3, 32, 32).to(memory_format=order), []
    for with_cp in (False, True):
        torch.manual_seed(0)
        network = MODELS.build(
            dict(
                type="mmpretrain.ResNet_CIFAR",
                depth=18,
                stem_channels=4,
                base_channels=4,
                with_cp=with_cp,
                norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=2),
            )
        )
        network.train()
        network.to(memory_format=order)
        network(images.clone().requires_grad_())[-1].square().mean().backward()
        gradients.append([weight.grad for weight in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
