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
        share = out[row]
        similarity = (share**2 + (1 - share) ** 2) * dot(z, own) + 2 * share * (1 - share)
        negatives = [
            dot(z, mixed(k, keys[order[j]], within[j])) / temperature
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
    out, within = 1 + _beta(2.0, query[:, 0]), _beta(1.6, keys[:, 0])
    order = torch.randperm(len(keys)).tolist()
    draws = out.tolist(), within.tolist(), order
    check_against_oracle(
        seeded, lambda z: slow_loss(z, rows(key), rows(keys), *draws, 0.2, keep), query
    )


def test_extrapolated_positives_are_the_vectors_products_and_never_more_alike():
    query, key, _ = embeddings(batch=50, queue=50)
    share = 1 + torch.rand(50, dtype=torch.float64)
    one = share[:, None] * query + (1 - share)[:, None] * key
    other = share[:, None] * key + (1 - share)[:, None] * query
    before = (query * key).sum(dim=1)
    after = extrapolated(before / 0.2, share, 0.2) * 0.2
    torch.testing.assert_close(after, (one * other).sum(dim=1))
    assert (after <= before + 1e-12).all()


def test_without_both_it_is_plain_info_nce():
    query, key, keys = embeddings()
    plain = InfoNCEHead().contrast(pairs_of(query, key, keys))
    assert FeatureTransformation(None, None)(pairs_of(query, key, keys)) == plain


def test_curves_are_mean_and_variance_of_the_similarities():
    query, key, keys = embeddings()
    found = InfoNCEHead(log_similarities=True).loss([query], key, keys)
    negative = [dot(z, k) for z in rows(query) for k in rows(keys)]
    mean = sum(negative) / 27
    assert found["negative_similarity_mean"].item() == pytest.approx(mean)
    variance = sum((value - mean) ** 2 for value in negative) / 27
    assert found["negative_similarity_variance"].item() == pytest.approx(variance)
    positive = [dot(z, k) for z, k in zip(rows(query), rows(key), strict=True)]
    assert found["positive_similarity_mean"].item() == pytest.approx(sum(positive) / 3)
    assert [name for name in found if "loss" in name] == ["loss_instance"]


def test_an_impossible_parameter_is_refused():
    with pytest.raises(HCSCError, match="interpolation=0 of FeatureTransformation must be > 0"):
        FeatureTransformation(interpolation=0)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.FeatureTransformation"), hcsc)
