"""The key encoder: slow parameters, statistics of its own."""

import pytest
import torch
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import MomentumEncoder


def encoder():
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def test_starts_as_a_copy_that_needs_no_gradient():
    query = encoder()
    key = MomentumEncoder(query, 0.1)
    for name, value in query.state_dict().items():
        assert torch.equal(key.encoder.state_dict()[name], value)
        assert key.encoder.state_dict()[name].data_ptr() != value.data_ptr()
    assert not any(parameter.requires_grad for parameter in key.parameters())
    assert all(parameter.requires_grad for parameter in query.parameters())


@pytest.mark.parametrize("momentum", [0.001, 0.3, 1.0])
def test_parameters_move_towards_the_query_s_by_momentum(momentum):
    query = encoder()
    key = MomentumEncoder(query, momentum)
    expected = [parameter.detach().clone() for parameter in query.parameters()]
    for _ in range(3):
        for index, parameter in enumerate(query.parameters()):
            parameter.data.add_(torch.randn_like(parameter))
            expected[index] = (1 - momentum) * expected[index] + momentum * parameter.detach()
        key.update(query)
    for parameter, value in zip(key.encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


def test_statistics_are_those_of_its_own_images_not_of_the_query_s():
    query = encoder()
    key = MomentumEncoder(query, 0.5)
    own = torch.zeros(3)
    for step in range(4):
        query_images, key_images = torch.randn(8, 3, 5, 5) + 10, torch.randn(8, 3, 5, 5) - step
        query(query_images)
        key.update(query)
        key(key_images)
        own = 0.9 * own + 0.1 * key_images.mean(dim=(0, 2, 3))
    torch.testing.assert_close(key.encoder[0].running_mean, own)
    assert query[0].running_mean.min() > 2
    assert int(key.encoder[0].num_batches_tracked) == 4


def test_update_leaves_the_query_alone():
    query = encoder()
    key = MomentumEncoder(query, 0.5)
    for parameter in key.parameters():
        parameter.data.add_(1)
    before = {name: value.clone() for name, value in query.state_dict().items()}
    key.update(query)
    assert all(torch.equal(value, before[name]) for name, value in query.state_dict().items())


def test_copy_from_takes_parameters_and_statistics():
    key, query = MomentumEncoder(encoder(), 0.1), encoder()
    query(torch.randn(8, 3, 5, 5) + 5)
    key.copy_from(query)
    for name, value in query.state_dict().items():
        assert torch.equal(key.encoder.state_dict()[name], value)
    assert not any(parameter.requires_grad for parameter in key.parameters())


@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.1, float("nan")])
def test_a_momentum_outside_its_range_is_refused_with_the_paper_s_convention(momentum):
    with pytest.raises(
        HCSCError, match=r"outside \(0, 1\]; the paper's m = 0.999 is momentum=0.001"
    ):
        MomentumEncoder(encoder(), momentum)


def test_one_process_has_nothing_to_synchronize():
    key = MomentumEncoder(encoder())
    key(torch.randn(8, 3, 5, 5))
    before = {name: value.clone() for name, value in key.state_dict().items()}
    key.synchronize_statistics()
    assert all(torch.equal(value, before[name]) for name, value in key.state_dict().items())
