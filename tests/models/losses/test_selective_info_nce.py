"""The one loss of instances and prototypes."""

import math
from dataclasses import replace

import oracles
import pytest
import torch
import torch.nn.functional as F

from hcsc_mm import HCSCError
from hcsc_mm.models import InfoNCEHead, selective_info_nce
from hcsc_mm.models.contrasts import InfoNCE
from hcsc_mm.models.losses import info_nce_of_draws


@pytest.fixture
def logits():
    return 3 * torch.randn(6), 3 * torch.randn(6, 20), torch.rand(6, 20) < 0.7


def test_keeping_everything_is_cross_entropy_with_the_positive_first(logits):
    positive, negative, _ = logits
    expected = F.cross_entropy(
        torch.cat([positive[:, None], negative], dim=1), torch.zeros(6, dtype=torch.long)
    )
    assert selective_info_nce(positive, negative) == expected
    everything = torch.ones(6, 20, dtype=torch.bool)
    assert selective_info_nce(positive, negative, everything).item() == pytest.approx(
        expected.item(), rel=1e-6
    )


@pytest.mark.parametrize("rejected", ["zero", "absent"])
def test_both_rules_equal_the_slow_oracle(logits, rejected):
    positive, negative, keep = logits
    expected = oracles.selective_info_nce(positive, negative, keep, rejected)
    assert selective_info_nce(positive, negative, keep, rejected=rejected).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_rejected_negative_stays_in_the_denominator_under_the_released_rule():
    positive, negative = torch.tensor([1.0]), torch.tensor([[2.0, 5.0]])
    keep = torch.tensor([[True, False]])
    released = selective_info_nce(positive, negative, keep, rejected="zero").item()
    assert released == pytest.approx(math.log(math.e + math.e**2 + 1) - 1, rel=1e-6)
    paper = selective_info_nce(positive, negative, keep, rejected="absent").item()
    assert paper == pytest.approx(math.log(math.e + math.e**2) - 1, rel=1e-6)


def test_the_released_rule_is_the_default(logits):
    assert selective_info_nce(*logits) == selective_info_nce(*logits, rejected="zero")


@pytest.mark.parametrize("rejected", ["zero", "absent"])
def test_infinitely_improbable_negatives_are_absent_under_both_rules_when_kept(logits, rejected):
    positive, negative, keep = logits
    gone = torch.rand(6, 20) < 0.3
    keep = keep | gone
    expected = oracles.selective_info_nce(
        positive, negative.masked_fill(gone, float("-inf")), keep, rejected
    )
    ours = selective_info_nce(
        positive, negative.masked_fill(gone, float("-inf")), keep, rejected=rejected
    )
    assert ours.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("negative", "keep"),
    [
        (torch.zeros(3, 0), None),
        (torch.full((3, 4), float("-inf")), None),
        (torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.bool)),
    ],
    ids=["none", "all_infinite", "all_rejected"],
)
def test_without_negatives_the_loss_and_its_gradient_are_exactly_zero(negative, keep):
    positive = torch.randn(3, requires_grad=True)
    loss = selective_info_nce(positive, negative.clone().requires_grad_(), keep, rejected="absent")
    loss.backward()
    assert loss.item() == 0
    assert positive.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rejected", ["zero", "absent"])
def test_gradient_is_that_of_central_differences_of_the_oracle(rejected):
    positive, negative = torch.randn(3, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    keep = torch.rand(3, 5) < 0.6
    leaves = positive.float().requires_grad_(), negative.float().requires_grad_()
    selective_info_nce(*leaves, keep, rejected=rejected).backward()
    step = 1e-5
    for values, leaf in ((positive, leaves[0]), (negative, leaves[1])):
        for place in range(values.numel()):
            ends = []
            for sign in (1, -1):
                values.view(-1)[place] += sign * step
                ends.append(oracles.selective_info_nce(positive, negative, keep, rejected))
                values.view(-1)[place] -= sign * step
            assert leaf.grad.view(-1)[place].item() == pytest.approx(
                (ends[0] - ends[1]) / (2 * step), abs=1e-5
            )
    assert bool((leaves[1].grad[~keep] == 0).all())


def test_huge_logits_neither_overflow_nor_lose_the_gradient():
    positive = torch.tensor([900.0, -900.0], requires_grad=True)
    loss = selective_info_nce(positive, torch.tensor([[-900.0], [900.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(900)
    assert bool(torch.isfinite(positive.grad).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_half_inputs_are_computed_in_float32(logits, dtype):
    positive, negative, keep = logits
    positive, negative = positive.to(dtype), negative.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        loss = selective_info_nce(positive, negative, keep)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        oracles.selective_info_nce(positive.float(), negative.float(), keep), rel=1e-5
    )


def test_inputs_are_left_as_they_were(logits):
    positive, negative, keep = logits
    copies = [tensor.clone() for tensor in logits]
    selective_info_nce(positive, negative, keep)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(logits, copies, strict=True))


def test_an_unknown_rule_is_refused_with_the_known_ones(logits):
    with pytest.raises(HCSCError, match=r"rejected='drop'.*'zero' or 'absent'"):
        selective_info_nce(*logits, rejected="drop")


@pytest.mark.parametrize("rejected", ["zero", "absent"])
@pytest.mark.parametrize("apart", [1.0, 15.0], ids=["temperature 1", "temperature 0.07"])
def test_several_draws_at_once_are_one_by_one_in_loss_and_gradient(rejected, apart):
    inputs = [apart * (2 * torch.rand(6, dtype=torch.float64) - 1)]
    inputs += [apart * (2 * torch.rand(6, 20, dtype=torch.float64) - 1)]
    keeps = [torch.rand(6, 20) < share for share in (0.9, 0.5, 0.0)]
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = []
    for way in ("together", "one by one"):
        leaves = [value.clone().requires_grad_() for value in inputs]
        if way == "together":
            losses = info_nce_of_draws(*leaves, keeps, rejected=rejected)
        else:
            losses = torch.stack(
                [selective_info_nce(*leaves, keep, rejected=rejected) for keep in keeps]
            )
        (weights * losses).sum().backward()
        found.append([losses.detach(), *(leaf.grad for leaf in leaves)])
    for together, alone in zip(*found, strict=True):
        torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-14)
    if rejected == "absent":  # of the last draw nothing is left
        assert found[0][0][2] == 0


def test_draws_of_a_temperature_whose_exponentials_overflow_are_taken_one_by_one():
    keys = F.normalize(torch.randn(20, 8), dim=1)
    query, key = keys[:6], -keys[:6]  # no positive could be worse
    keeps = [torch.rand(6, 20) < 0.5 for _ in range(2)]
    for temperature in (0.2, 0.005):  # 2 / 0.005 = 400: e⁴⁰⁰ is no float32
        (pairs,) = InfoNCEHead(temperature).pairs([query], key, keys)
        assert pairs.negative.max() - pairs.positive.min() > 1 / temperature
        expected = [oracles.selective_info_nce(*pairs_of(pairs), k, "absent") for k in keeps]
        ours = InfoNCE().of_draws(replace(pairs, rejected="absent"), keeps)
        assert ours.tolist() == pytest.approx(expected, rel=1e-5)


def pairs_of(pairs):
    return pairs.positive.double(), pairs.negative.double()
