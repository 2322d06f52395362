"""GroCo's ordering against loops over numbers, and in training."""

import math

import pytest
from contrast_cases import (
    check_against_oracle,
    dot,
    embeddings,
    pairs_of,
    rows,
    slow_permutation,
    some_kept,
    train_with,
)

from hcsc_mm import HCSCError
from hcsc_mm.models.contrasts import GroupOrdering


def slow_loss(queries, key, keys, number, steepness, keep=None) -> float:
    terms = []
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        kept = [dot(z, k) for j, k in enumerate(keys) if keep is None or keep[row][j]]
        hardest = sorted(kept)[-number:]
        missing = number - len(hardest)
        share = slow_permutation([-1.0] * missing + [*hardest, dot(z, own)], steepness)
        last = [place[-1] for place in share]
        terms += [-math.log(1 - value) for value in last[missing:-1]] + [-math.log(last[-1])]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("number", [3, 7])
@pytest.mark.parametrize("keep", [None, some_kept()])
def test_loss_and_gradient_equal_the_slow_oracle(keep, number):
    query, key, keys = embeddings()
    if keep is not None:
        assert keep.sum(dim=1).min() < 7  # some have fewer than are asked for
    contrast = GroupOrdering(number, 1.5)
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, keep=keep)),
        lambda z: slow_loss(z, rows(key), rows(keys), number, 1.5, keep),
        query,
    )


def test_one_negative_has_a_closed_form():
    query, key, keys = embeddings(queue=3)
    keys = keys[:1]
    expected = 0.0
    for z, own in zip(rows(query), rows(key), strict=True):
        in_order = math.atan(dot(z, own) - dot(z, rows(keys)[0])) / math.pi + 0.5
        expected -= math.log(in_order) / 3
    assert GroupOrdering()(pairs_of(query, key, keys)).item() == pytest.approx(expected, rel=1e-9)


def test_impossible_options_are_refused():
    with pytest.raises(HCSCError, match="steepness=0 above 0"):
        GroupOrdering(steepness=0)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.GroupOrdering"), hcsc)
