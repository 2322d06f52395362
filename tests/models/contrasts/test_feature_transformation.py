"""Transformed features against loops over vectors, and in training with their curves."""

import pytest
import torch
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
from hcsc_mm.models.contrasts import FeatureTransformation
from hcsc_mm.models.contrasts.feature_transformation import _beta, extrapolated


def mixed(one, other, share):
    return [share * a + (1 - share) * b for a, b in zip(one, other, strict=True)]


def slow_loss(queries, key, keys, out, within, order, temperature, keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        # The length of z is 1: what its own square would add to the gradient is left out.
        similarity = (out**2 + (1 - out) ** 2) * dot(z, own) + 2 * out * (1 - out)
        drawn = mixed(z, own, out)
        negatives = [
            dot(drawn, mixed(k, keys[order[j]], within)) / temperature
            for j, k in enumerate(keys)
            if keep is None or (keep[row][j] and keep[row][order[j]])
        ]
        total += cross_entropy(similarity / temperature, negatives)
    return total / len(queries)


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_loss_and_gradient_equal_the_slow_oracle(keep):
    query, key, keys = embeddings()
    contrast = FeatureTransformation()

    def seeded(z):
        torch.manual_seed(3)
        return contrast(pairs_of(z, key, keys, keep=keep, rejected="absent"))

    torch.manual_seed(3)  # the same draws, in the same order
    out, within = 1 + _beta(2.0, query).item(), _beta(1.6, keys).item()
    order = torch.randperm(len(keys)).tolist()
    assert 1 < out < 2 and 0 < within < 1
    draws = out, within, order
    check_against_oracle(
        seeded, lambda z: slow_loss(z, rows(key), rows(keys), *draws, 0.2, keep), query
    )


@pytest.mark.parametrize("share", [1.0, 1.3, 2.0])
def test_extrapolated_positives_are_the_vectors_products_and_never_more_alike(share):
    query, key, keys = embeddings(batch=50, queue=50)
    one = share * query + (1 - share) * key
    other = share * key + (1 - share) * query
    before = (query * key).sum(dim=1)
    after, negative = extrapolated(pairs_of(query, key, keys), torch.tensor(share).double())
    torch.testing.assert_close(after * 0.2, (one * other).sum(dim=1))
    assert (after * 0.2 <= before + 1e-12).all()
    torch.testing.assert_close(negative * 0.2, one @ keys.T)


def test_released_rule_gives_a_mixture_with_a_rejected_key_the_logit_zero():
    query, key, keys = embeddings()
    nothing = torch.zeros(3, 9, dtype=torch.bool)
    found = FeatureTransformation(None)(pairs_of(query, key, keys, keep=nothing))
    expected = [
        cross_entropy(dot(z, own) / 0.2, [0.0] * 9)
        for z, own in zip(rows(query), rows(key), strict=True)
    ]
    assert found.item() == pytest.approx(sum(expected) / 3)


def test_without_both_it_is_plain_info_nce():
    query, key, keys = embeddings()
    plain = InfoNCEHead().contrast(pairs_of(query, key, keys))
    assert FeatureTransformation(None, None)(pairs_of(query, key, keys)) == plain


def test_an_impossible_parameter_is_refused():
    with pytest.raises(HCSCError, match="interpolation=0 of FeatureTransformation must be > 0"):
        FeatureTransformation(interpolation=0)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.FeatureTransformation"), hcsc)
