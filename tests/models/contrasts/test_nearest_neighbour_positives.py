"""NNCLR's positives against loops over numbers, and in training."""

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

from hcsc_mm.models.contrasts import NearestNeighbourPositives


def slow_loss(queries, key, keys, temperature, keep=None) -> float:
    total = 0.0
    for row, (z, own) in enumerate(zip(queries, key, strict=True)):
        nearest = max(range(len(keys)), key=lambda j: dot(own, keys[j]))
        negatives = [
            dot(z, keys[j]) / temperature
            for j in range(len(keys))
            if j != nearest and (keep is None or keep[row][j])
        ]
        total += cross_entropy(dot(z, keys[nearest]) / temperature, negatives)
    return total / len(queries)


@pytest.mark.parametrize("keep", [None, some_kept()])
def test_loss_and_gradient_equal_the_slow_oracle(keep):
    query, key, keys = embeddings()
    contrast = NearestNeighbourPositives()
    check_against_oracle(
        lambda z: contrast(pairs_of(z, key, keys, keep=keep, rejected="absent")),
        lambda z: slow_loss(z, rows(key), rows(keys), 0.2, keep),
        query,
    )


def test_a_key_that_lies_in_the_queue_is_its_own_neighbour():
    query, key, keys = embeddings()
    keys[4:7] = key
    found = NearestNeighbourPositives()(pairs_of(query, key, keys))
    others = keys[[0, 1, 2, 3, 7, 8]]
    expected = [
        cross_entropy(
            dot(z, own) / 0.2,
            [dot(z, n) / 0.2 for n in rows(torch.cat([others, key])) if n != own],
        )
        for z, own in zip(rows(query), rows(key), strict=True)
    ]
    assert found.item() == pytest.approx(sum(expected) / 3, rel=1e-9)


@pytest.mark.parametrize("hcsc", [False, True])
def test_it_trains_alone_and_with_selection(tmp_path, hcsc):
    train_with(tmp_path, dict(type="hcsc_mm.NearestNeighbourPositives"), hcsc)
