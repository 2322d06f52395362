"""Explicit hard negatives against loops over numbers, and in training."""

import math

import pytest
from contrast_cases import (
    check_against_oracle,
    cross_entropy,
    dot,
    embeddings,
    pairs_of,
    rows,
    some_kept,
    train_with,
)

from hcsc_mm import HCSCError
from hcsc_mm.models import InfoNCEHead
from hcsc_mm.models.contrasts import HardestNegatives


def slow_loss(queries, key, keys, share, temperature, keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        logits = [
            dot(z, k) / temperature for j, k in enumerate(keys) if keep is None or keep[row][j]
        ]
        hardest = sorted(logits, reverse=True)[: math.ceil(share * len(keys))]
        total += cross_entropy(dot(z, own) / temperature, hardest)
    return total / len(queries)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("keep", [None, some_kept()])
def test_loss_and_gradient_equal_the_slow_oracle(keep, share):
    query, key, keys = embeddings()
    contrast = HardestNegatives(share)
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, keep=keep)),
        lambda z: slow_loss(z, rows(key), rows(keys), share, 0.2, keep),
        query,
    )


def test_all_of_them_are_plain_info_nce():
    query, key, keys = embeddings()
    pairs = pairs_of(query, key, keys)
    assert HardestNegatives(1.0)(pairs).item() == pytest.approx(
        InfoNCEHead().contrast(pairs).item()
    )


@pytest.mark.parametrize("share", [0, 1.1])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(HCSCError, match=r"must lie in \(0, 1\]"):
        HardestNegatives(share)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.HardestNegatives", share=0.25), hcsc)
