"""Shuffled batch norm over ranks (MoCo, Section 3.3)."""

import torch
from mmengine.dist import all_gather, broadcast, get_rank, get_world_size
from torch import Tensor


@torch.no_grad()
def shuffle_over_ranks(images: Tensor) -> tuple[Tensor, Tensor]:
    """Exchange images between ranks in random order, so that no rank's batch statistics are those
    of its queries.

    As mmpretrain's ``batch_shuffle_ddp``, with the order drawn on the images' device: no
    synchronisation with the host.

    Args:
        images: (B, …) of this rank, as many on every rank.

    Returns:
        (B, …) images of any rank, and the (B_total,) int64 inverse order for
        :func:`unshuffle_over_ranks`.
    """
    gathered = torch.cat(all_gather(images))  # (B_total, …)
    order = torch.randperm(len(gathered), device=images.device)
    broadcast(order)
    return gathered[_share(order)], order.argsort()


@torch.no_grad()
def unshuffle_over_ranks(keys: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """(B, D) keys of shuffled images → (B, D) keys of this rank's own images, and (B_total, D) of
    all ranks', in their order.
    """
    ordered = torch.cat(all_gather(keys))[inverse]
    return _share(ordered), ordered


def _share(rows: Tensor) -> Tensor:
    """This rank's of (B_total, …) rows."""
    return rows.chunk(get_world_size())[get_rank()]
