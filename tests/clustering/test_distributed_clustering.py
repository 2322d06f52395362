"""Two ranks with a shard each find what one process finds."""

import distributed_workers as workers
import pytest
import torch

TASKS = [
    workers.cluster_shards,
    workers.cluster_uneven_shards,
    workers.cluster_large_problems,
    workers.cluster_one_row,
    workers.cluster_shards_into_a_tree,
    workers.cluster_nan_on_the_last_rank,
    workers.gather_rows,
]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    pytest.importorskip("faiss")
    return workers.run_on_ranks(TASKS, 2, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", ["torch", "faiss", "torch with empty clusters"])
def test_kmeans_of_two_ranks_is_that_of_one_process(ranks, case):
    alone = workers.cluster_shards()[case]
    for rank in ranks:
        found = rank["cluster_shards"][case]
        assert torch.equal(found["assignment"], alone["assignment"])
        torch.testing.assert_close(found["centroids"], alone["centroids"], atol=1e-6, rtol=0)
        torch.testing.assert_close(
            found["squared_distance"], alone["squared_distance"], atol=1e-5, rtol=1e-5
        )
    assert [rank["cluster_shards"][case]["rows"] for rank in ranks] == [51, 50]


def test_centroids_are_identical_on_both_ranks(ranks):
    first, second = (rank["cluster_shards"] for rank in ranks)
    for case in first:
        assert torch.equal(first[case]["centroids"], second[case]["centroids"])


def test_seeds_of_uneven_shards_are_rows_and_those_of_one_process(ranks):
    alone = workers.cluster_uneven_shards()
    for rank in ranks:
        assert torch.equal(rank["cluster_uneven_shards"]["centroids"], alone["centroids"])
    assert torch.cdist(alone["centroids"], alone["rows"]).min(dim=1).values.max() < 1e-3


@pytest.mark.parametrize("case", ["a sample", "all rows"])
def test_restarts_that_ranks_share_by_points_are_those_of_one_process(ranks, case):
    alone = workers.cluster_large_problems()[case]
    found = [rank["cluster_large_problems"][case] for rank in ranks]
    assert torch.equal(torch.cat([part["assignment"] for part in found]), alone["assignment"])
    for part in found:
        torch.testing.assert_close(part["centroids"], alone["centroids"], atol=1e-6, rtol=0)


def test_a_rank_without_rows_takes_part(ranks):
    alone = workers.cluster_one_row()
    assert [len(rank["cluster_one_row"]["assignment"]) for rank in ranks] == [1, 0]
    for rank in ranks:
        torch.testing.assert_close(rank["cluster_one_row"]["centroids"], alone["centroids"])


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_both_ranks_hold_the_identical_hierarchy(ranks, backend):
    first, second = (rank["cluster_shards_into_a_tree"][backend] for rank in ranks)
    assert torch.equal(first["assignment"], second["assignment"])
    for name in ("parents", "prototypes", "concentrations"):
        assert all(
            torch.equal(one, two) for one, two in zip(first[name], second[name], strict=True)
        )


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_hierarchy_of_two_ranks_is_that_of_one_process(ranks, backend):
    alone = workers.cluster_shards_into_a_tree()[backend]
    found = ranks[0]["cluster_shards_into_a_tree"][backend]
    assert torch.equal(found["assignment"], alone["assignment"])
    assert all(
        torch.equal(one, two) for one, two in zip(found["parents"], alone["parents"], strict=True)
    )
    for name in ("prototypes", "concentrations"):
        for one, two in zip(found[name], alone[name], strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_nan_on_one_rank_is_refused_on_both(ranks, backend):
    for rank in ranks:
        assert "NaN or infinite" in rank["cluster_nan_on_the_last_rank"][backend]


def test_rows_of_unequal_shards_are_gathered_in_rank_order(ranks):
    for rank in ranks:
        assert torch.equal(rank["gather_rows"]["matrix"], torch.arange(21).view(7, 3))
        assert rank["gather_rows"]["total"] == 7
        assert rank["gather_rows"]["uneven"].tolist() == [1, 1, 1]
        assert rank["gather_rows"]["uneven"].dtype == torch.int32
