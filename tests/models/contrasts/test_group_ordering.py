"""GroCo's ordering against loops over numbers, and in training."""

import math

import pytest
import torch
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


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_the_hardest_are_looked_for_among_the_candidates(keep):
    query, key, keys = embeddings()
    pairs, contrast = pairs_of(query, key, keys, keep=keep), GroupOrdering(2, 1.5, candidates=2)
    torch.manual_seed(1)
    drawn = contrast._drawn(pairs)
    torch.manual_seed(1)
    loss = contrast(pairs).item()
    assert loss == pytest.approx(slow_loss(rows(query), rows(key), rows(keys), 2, 1.5, drawn))
    assert loss != pytest.approx(slow_loss(rows(query), rows(key), rows(keys), 2, 1.5, keep))


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_candidates_are_drawn_evenly_from_what_selection_keeps(keep):
    pairs, contrast = pairs_of(*embeddings(), keep=keep), GroupOrdering(candidates=2)
    drawn = torch.stack([contrast._drawn(pairs) for _ in range(2000)]).float()  # (2000, B, Q)
    kept = torch.ones(3, 9) if keep is None else keep.float()
    assert (drawn.sum(dim=2) == 2).all()
    even = 2 * kept / kept.sum(dim=1, keepdim=True)  # how often a key should be drawn
    torch.testing.assert_close(drawn.mean(dim=0), even, atol=0.05, rtol=0)


def test_as_many_candidates_as_keys_are_all():
    query, key, keys = embeddings()
    pairs = pairs_of(query, key, keys, keep=some_kept())
    assert GroupOrdering(4, candidates=9)(pairs).item() == GroupOrdering(4)(pairs).item()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"steepness": 0}, "steepness=0 above 0"), ({"candidates": 0}, "candidates=0 of Group")],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        GroupOrdering(**options)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.GroupOrdering"), hcsc)
