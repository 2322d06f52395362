"""The soft sorting network against loops over numbers and closed forms."""

import pytest
import torch
from contrast_cases import slow_permutation

from hcsc_mm.models.losses.soft_sorting import soft_permutation


@pytest.mark.parametrize("number", [1, 2, 5, 6])
def test_shares_equal_the_slow_network(number):
    values = torch.rand(3, number, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = soft_permutation(values, 2.0)
    for row, shares in zip(values.tolist(), found.tolist(), strict=True):
        torch.testing.assert_close(torch.tensor(shares), torch.tensor(slow_permutation(row, 2.0)))


def test_rows_and_columns_add_up_to_one():
    found = soft_permutation(torch.randn(4, 7, dtype=torch.float64))
    for dim in (1, 2):
        torch.testing.assert_close(found.sum(dim=dim), torch.ones(4, 7, dtype=torch.float64))


def test_a_steep_network_sorts():
    values = torch.tensor([[0.3, -0.7, 0.9, 0.1]], dtype=torch.float64)
    found = soft_permutation(values, 1e9)
    order = values.argsort(dim=1)
    expected = torch.nn.functional.one_hot(order, 4).transpose(1, 2).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
