"""Measures of collapse against closed forms and scikit-learn."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import unit_rows
from sklearn.utils.extmath import randomized_svd

from hcsc_mm.evaluation import cluster_balance, effective_rank, relative_std


def orthogonal_rows(rows: int, dim: int) -> torch.Tensor:
    """All axes of the space, each in both directions, the same number of times."""
    axes = torch.cat([torch.eye(dim), -torch.eye(dim)])
    return axes.repeat(math.ceil(rows / len(axes)), 1)


def test_equal_embeddings_have_rank_one_and_no_spread():
    embeddings = unit_rows(1, 64).expand(500, -1)
    assert float(effective_rank(embeddings)) == pytest.approx(1, abs=1e-2)
    assert float(relative_std(embeddings)) == pytest.approx(0, abs=1e-5)


def test_opposite_embeddings_have_rank_one_though_they_spread():
    line = unit_rows(1, 64)
    assert float(effective_rank(torch.cat([line, -line] * 100))) == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("dim", [2, 16, 128])
def test_embeddings_along_all_axes_have_full_rank_and_the_spread_of_an_even_sphere(dim):
    embeddings = orthogonal_rows(1000, dim)
    assert float(effective_rank(embeddings)) == pytest.approx(dim, rel=1e-4)
    assert float(relative_std(embeddings)) == pytest.approx(1, rel=1e-5)


def test_random_directions_come_close_to_even_ones():
    embeddings = unit_rows(4096, 32)
    assert float(effective_rank(embeddings)) == pytest.approx(32, rel=0.01)
    assert float(relative_std(embeddings)) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_embeddings_in_some_dimensions_have_their_number_as_rank(kept):
    embeddings = F.pad(orthogonal_rows(100, kept), (0, 32 - kept))
    assert float(effective_rank(embeddings)) == pytest.approx(kept, rel=1e-4)
    assert float(relative_std(embeddings)) == pytest.approx(math.sqrt(kept / 32), rel=1e-4)


def test_rank_is_the_exponential_of_the_entropy_of_scikit_learn_s_singular_values():
    embeddings = unit_rows(300, 12) * torch.linspace(0.01, 1, 12)
    _, singular_values, _ = randomized_svd(
        embeddings.numpy(), n_components=12, n_iter=20, random_state=0
    )
    share = singular_values / singular_values.sum()
    assert float(effective_rank(embeddings)) == pytest.approx(
        np.exp(-(share * np.log(share)).sum()), rel=1e-3
    )


def test_rank_does_not_depend_on_the_length_or_number_of_rows():
    embeddings = unit_rows(200, 8) * torch.linspace(0.1, 1, 8)
    expected = float(effective_rank(embeddings))
    assert float(effective_rank(embeddings * 1e-3)) == pytest.approx(expected, rel=1e-4)
    assert float(effective_rank(embeddings.repeat(5, 1))) == pytest.approx(expected, rel=1e-4)


def test_zeros_have_rank_zero():
    assert float(effective_rank(torch.zeros(10, 4))) == 0


def test_half_precision_is_measured_in_single():
    embeddings = unit_rows(500, 16)
    assert float(effective_rank(embeddings.half())) == pytest.approx(
        float(effective_rank(embeddings)), rel=1e-3
    )
    assert relative_std(embeddings.half()).dtype == torch.float32


def test_even_clusters_have_entropy_one_and_a_single_cluster_zero():
    even = cluster_balance(torch.arange(60) % 6, 6)
    assert even.largest_share == pytest.approx(1 / 6)
    assert even.entropy == pytest.approx(1)
    assert cluster_balance(torch.zeros(60, dtype=torch.int32), 6) == (1.0, 0.0)


def test_entropy_of_uneven_clusters_is_the_textbook_s():
    balance = cluster_balance(torch.tensor([0] * 7 + [1] * 2 + [3]), 4)
    assert balance.largest_share == pytest.approx(0.7)
    assert balance.entropy == pytest.approx(
        -sum(p * math.log(p) for p in (0.7, 0.2, 0.1)) / math.log(4)
    )
