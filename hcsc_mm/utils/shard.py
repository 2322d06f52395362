"""How N rows are spread over ranks: contiguous blocks in rank order, the first N mod W ranks with
one row more.
"""

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


def shard_start(num_rows: int, rank: int | None = None, world_size: int | None = None) -> int:
    """Global index of the first row of a rank; of this rank by default."""
    rank = get_rank() if rank is None else rank
    world_size = get_world_size() if world_size is None else world_size
    return rank * (num_rows // world_size) + min(rank, num_rows % world_size)


def shard_slice(num_rows: int, rank: int | None = None, world_size: int | None = None) -> slice:
    """The global indices of a rank's rows; of this rank's by default."""
    rank = get_rank() if rank is None else rank
    return slice(
        shard_start(num_rows, rank, world_size), shard_start(num_rows, rank + 1, world_size)
    )


def all_gather_rows(rows: Tensor) -> Tensor:
    """(n_r, …) of every rank → (Σ n_r, …) in rank order, on every rank; the n_r may differ."""
    if get_world_size() == 1:
        return rows
    lengths = _lengths(rows)
    if not any(lengths):
        return rows
    padded = rows.new_zeros(max(lengths), *rows.shape[1:])
    padded[: len(rows)] = rows
    return torch.cat([part[:n] for part, n in zip(all_gather(padded), lengths, strict=True)])


def exchange_rows(rows: Tensor, numbers: Tensor) -> Tensor:
    """Give each rank the rows that are meant for it.

    Args:
        rows: (n, …), those for the first rank first.
        numbers: (W,) int64, how many are for each rank.

    Returns:
        (m, …) what the ranks had for this one, in rank order.
    """
    arriving = torch.empty_like(numbers)
    torch.distributed.all_to_all_single(arriving, numbers)
    received = rows.new_empty(int(arriving.sum()), *rows.shape[1:])
    torch.distributed.all_to_all_single(
        received, rows.contiguous(), arriving.tolist(), numbers.tolist()
    )
    return received


def first_row(rows: Tensor) -> int:
    """Global index of the first of this rank's (n_r, …), whatever the n_r of the ranks are."""
    return sum(_lengths(rows)[: get_rank()])


def total_rows(rows: Tensor) -> int:
    """Σ n_r over the ranks' (n_r, …)."""
    return int(global_sum(torch.tensor(len(rows), device=rows.device)))


def _lengths(rows: Tensor) -> list[int]:
    return [int(n) for n in all_gather(torch.tensor([len(rows)], device=rows.device))]


def global_sum(value: Tensor) -> Tensor:
    """Sum over ranks, in place, on every rank."""
    if get_world_size() > 1:
        all_reduce(value)
    return value
