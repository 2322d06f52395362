"""False negatives, taken out or attracted, against loops over numbers, and in training."""

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
from hcsc_mm.models.contrasts import FalseNegativeCancellation


def slow_loss(queries, key, keys, mode, number, least, others=(), keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        support = [own, *(other[row] for other in others)]
        scores = {
            j: max(dot(view, k) for view in support)
            for j, k in enumerate(keys)
            if keep is None or keep[row][j]
        }
        best = sorted(scores, key=scores.get, reverse=True)[:number]
        false = {j for j in best if scores[j] >= least}
        stay = scores if mode == "attract" else set(scores) - false
        terms = [math.exp(dot(z, k) / 0.2) for k in [own, *(keys[j] for j in stay)]]
        positives = [own, *(keys[j] for j in false)] if mode == "attract" else [own]
        logs = [math.log(math.exp(dot(z, p) / 0.2) / sum(terms)) for p in positives]
        total -= sum(logs) / len(logs)
    return total / len(queries)


@pytest.mark.parametrize("mode", ["eliminate", "attract"])
@pytest.mark.parametrize("keep", [None, some_kept()])
@pytest.mark.parametrize(("number", "least"), [(2, -1.0), (5, 0.3), (20, -1.0)])
@pytest.mark.parametrize("num_others", [0, 2])
def test_loss_and_gradient_equal_the_slow_oracle(mode, keep, number, least, num_others):
    query, key, keys = embeddings()
    others = [embeddings(seed=10 + place)[0] for place in range(num_others)]
    contrast = FalseNegativeCancellation(mode, number, least)
    options = dict(keep=keep, rejected="absent", others=others)
    slow = (rows(key), rows(keys), mode, number, least, [rows(other) for other in others], keep)
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, **options)),
        lambda z: slow_loss(z, *slow),
        query,
    )


def test_with_no_false_negatives_both_are_plain_info_nce():
    query, key, keys = embeddings()
    pairs = pairs_of(query, key, -keys)
    for mode in ("eliminate", "attract"):
        found = FalseNegativeCancellation(mode, min_score=1.0)(pairs)
        torch.testing.assert_close(found, InfoNCEHead().contrast(pairs))


def test_an_unknown_mode_is_refused():
    with pytest.raises(HCSCError, match="mode='repel' of FalseNegativeCancellation is unknown"):
        FalseNegativeCancellation("repel")


@pytest.mark.parametrize("mode", ["eliminate", "attract"])
@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc, mode):
    train_with(tmp_path, dict(type="hcsc_mm.FalseNegativeCancellation", mode=mode), hcsc)
