"""MoCHi's mixtures against loops over numbers, and in training."""

import math

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
from hcsc_mm.models.contrasts import HardNegativeMixing


class FixedMixtures(HardNegativeMixing):
    """The mixtures of one moment: their gradient is none, and their draws do not change."""

    def __init__(self, mixtures, is_mixture):
        super().__init__()
        self.found = mixtures, is_mixture

    def mix(self, pairs):
        return self.found


def slow_loss(queries, key, keys, mixtures, temperature, keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        negatives = [k for j, k in enumerate(keys) if keep is None or keep[row][j]]
        logits = [dot(z, k) / temperature for k in [*negatives, *mixtures[row]]]
        total += cross_entropy(dot(z, own) / temperature, logits)
    return total / len(queries)


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_loss_and_gradient_equal_the_slow_oracle(keep):
    query, key, keys = embeddings()
    options = dict(keep=keep, rejected="absent")
    torch.manual_seed(0)
    mixtures, real = HardNegativeMixing(3, 6, 4).mix(pairs_of(query, key, keys, **options))
    assert mixtures.shape == (3, 10, 5) and real.all()
    contrast = FixedMixtures(mixtures, real)
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, **options)),
        lambda z: slow_loss(z, rows(key), rows(keys), mixtures.tolist(), 0.2, keep),
        query,
    )


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_mixtures_lie_between_two_of_the_hardest_or_one_and_the_query(keep):
    query, key, keys = embeddings()
    torch.manual_seed(1)
    pairs = pairs_of(query, key, keys, keep=keep)
    mixtures, _ = HardNegativeMixing(3, 200, 200).mix(pairs)
    assert torch.allclose(mixtures.norm(dim=2), torch.ones(3, 400, dtype=torch.float64))
    for row, z in enumerate(rows(query)):
        allowed = [j for j in range(9) if keep is None or keep[row][j]]
        hardest = sorted(allowed, key=lambda j: -dot(z, rows(keys)[j]))[:3]
        for place, mixture in enumerate(mixtures[row]):
            found = False
            for one in [keys[j] for j in hardest] if place < 200 else [query[row]]:
                for j in hardest:
                    basis = torch.stack([one, keys[j]], dim=1)
                    share = torch.linalg.lstsq(basis, mixture[:, None]).solution.squeeze(1)
                    exact = torch.allclose(basis @ share, mixture, atol=1e-9)
                    between = bool((share > -1e-9).all())
                    less = place < 200 or bool(share[0] <= share[1] + 1e-9)
                    found |= exact and between and less
            assert found, (row, place)


def test_a_query_that_keeps_nothing_mixes_nothing():
    query, key, keys = embeddings()
    nothing = torch.zeros(3, 9, dtype=torch.bool)
    pairs = pairs_of(query, key, keys, keep=nothing, rejected="zero")
    expected = [
        cross_entropy(dot(z, own) / 0.2, [0.0] * 9)
        for z, own in zip(rows(query), rows(key), strict=True)
    ]
    found = HardNegativeMixing(4, 5, 6)(pairs).item()
    assert math.isclose(found, sum(expected) / 3, rel_tol=1e-9)


def test_no_hard_negatives_are_refused():
    with pytest.raises(HCSCError, match="num_hardest=0 must be at least 1"):
        HardNegativeMixing(num_hardest=0)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    contrast = dict(
        type="hcsc_mm.HardNegativeMixing", num_hardest=16, num_mixed=16, num_query_mixed=8
    )
    train_with(tmp_path, contrast, hcsc)
