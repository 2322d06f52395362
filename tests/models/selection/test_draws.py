"""Draws of True and False."""

import pytest
import torch

from hcsc_mm.models.selection import bernoulli


@pytest.mark.parametrize("probability", [0.0, 1e-4, 1 / 256, 0.3, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_are_as_frequent_as_their_probability(probability, dtype):
    draws = bernoulli(torch.full((4, 250_001), probability, dtype=dtype))
    assert draws.dtype == torch.bool
    deviation = (probability * (1 - probability) / draws.numel()) ** 0.5
    assert draws.double().mean().item() == pytest.approx(probability, abs=4.5 * deviation)


@pytest.mark.parametrize("call", range(4))
def test_a_tiny_probability_is_met_in_every_single_call(call):
    """With bits that all draws of a call share it would be met in the mean over calls alone."""
    torch.manual_seed(call)
    kept = bernoulli(torch.full((2**24,), 2.0**-17)).count_nonzero().item()
    assert 128 - 5 * 11.3 < kept < 128 + 5 * 11.3  # 2²⁴ · 2⁻¹⁷ expected, standard deviation √128


def test_draws_of_neighbours_are_independent():
    draws = bernoulli(torch.full((1_000_000,), 0.5)).double()
    for lag in (1, 2, 3, 4, 8):
        assert abs(((draws[lag:] - 0.5) * (draws[:-lag] - 0.5)).mean().item()) < 5 * 0.25 / 1000


def test_draws_follow_the_seed():
    probability = torch.rand(3, 7)
    torch.manual_seed(4)
    one = bernoulli(probability)
    torch.manual_seed(4)
    assert torch.equal(bernoulli(probability), one)


def test_draws_of_one_call_differ_in_their_probabilities():
    """Every column of 512 probabilities is met by itself."""
    probability = torch.arange(512) / 511
    shares = bernoulli(probability.expand(40_000, 512)).double().mean(dim=0)
    deviation = (probability * (1 - probability) / 40_000).sqrt()
    assert ((shares - probability).abs() <= 5 * deviation).all()


def test_draws_of_no_entries_are_none():
    assert bernoulli(torch.empty(3, 0)).shape == (3, 0)
