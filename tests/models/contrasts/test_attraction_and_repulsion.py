"""CACR's weights and distances against loops over numbers, and in training."""

import math

import pytest
import torch
from contrast_cases import (
    check_against_oracle,
    dot,
    embeddings,
    pairs_of,
    rows,
    some_kept,
    train_with,
)

from hcsc_mm import HCSCError
from hcsc_mm.models import InfoNCEHead
from hcsc_mm.models.contrasts import AttractionAndRepulsion


def distance(one, other) -> float:
    """By the inner product: the length of what moves is 1."""
    return 2 - 2 * dot(one, other)


def weighted(values: list[float], scale: float) -> list[float]:
    weights = [math.exp(scale * value) for value in values]
    return [weight / sum(weights) * value for weight, value in zip(weights, values, strict=True)]


def slow_loss(queries, key, keys, attraction, repulsion, others=(), keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        views = [z, *(other[row] for other in others)]
        total += len(views) * weighted([distance(view, own) for view in views], attraction)[0]
        negatives = [k for j, k in enumerate(keys) if keep is None or keep[row][j]]
        total -= sum(weighted([distance(z, k) for k in negatives], -repulsion))
    return total / len(queries)


@pytest.mark.parametrize("scales", [(1.0, 1.0), (0.5, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize("keep", [None, some_kept()])
@pytest.mark.parametrize("num_others", [0, 2])
def test_loss_and_gradient_equal_the_slow_oracle(keep, scales, num_others):
    query, key, keys = embeddings()
    others = [embeddings(seed=10 + number)[0] for number in range(num_others)]
    contrast = AttractionAndRepulsion(*scales)
    slow = (rows(key), rows(keys), *scales, [rows(other) for other in others], keep)
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, keep=keep, others=others)),
        lambda z: slow_loss(z, *slow),
        query,
    )


def test_two_equal_views_share_the_attraction():
    query, key, keys = embeddings()
    once = AttractionAndRepulsion()(pairs_of(query, key, keys))
    twice = AttractionAndRepulsion()(pairs_of(query, key, keys, others=[query]))
    torch.testing.assert_close(once, twice)


def test_views_of_a_head_add_up_to_the_weighted_mean_of_their_attraction():
    query, key, keys = embeddings()
    other = embeddings(seed=10)[0]
    head = InfoNCEHead(contrast=AttractionAndRepulsion(repulsion_scale=0.0))
    found = sum(head.loss([query, other], key, keys).values()).item()
    expected = 0.0
    for row, own in enumerate(rows(key)):
        values = [distance(rows(view)[row], own) for view in (query, other)]
        expected += 2 * sum(weighted(values, 1.0)) / 3
        expected -= sum(
            distance(rows(view)[row], k) for view in (query, other) for k in rows(keys)
        ) / (9 * 3)
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_query_that_keeps_nothing_is_only_attracted():
    query, key, keys = embeddings()
    leaf = query.clone().requires_grad_()
    nothing = torch.zeros(3, 9, dtype=torch.bool)
    loss = AttractionAndRepulsion()(pairs_of(leaf, key, keys, keep=nothing))
    loss.backward()
    expected = sum(distance(z, own) for z, own in zip(rows(query), rows(key), strict=True)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    torch.testing.assert_close(leaf.grad, -2 * key / 3)


def test_a_negative_scale_is_refused():
    with pytest.raises(HCSCError, match=r"repulsion_scale=-1 of AttractionAndRepulsion must be at"):
        AttractionAndRepulsion(repulsion_scale=-1)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.AttractionAndRepulsion"), hcsc)
