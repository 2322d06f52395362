"""The queue of keys that serve as negatives (MoCo, Section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import HCSCError


class NegativeQueue(nn.Module):
    """First in, first out: the keys of the last batches.

    Args:
        length: Q, number of keys, at least 1.
        dim: D, length of a key, at least 1.

    Attributes:
        keys: (Q, D) buffer, unit length; random directions before the first keys arrive.
        pointer: () int64 buffer, where the next key goes.
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        if length < 1 or dim < 1:
            raise HCSCError(
                f"a queue needs a length and a dim of at least 1, got length={length}, dim={dim}"
            )
        self.register_buffer("keys", F.normalize(torch.randn(length, dim), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @property
    def length(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> Tensor:
        """Replace the oldest keys; past the end it goes on at the start.

        Args:
            keys: (B_total, D), already gathered from all ranks.

        Returns:
            (B_total,) int64, the entries that hold them now.

        Raises:
            HCSCError: more keys than the queue holds.
        """
        if len(keys) > self.length:
            raise HCSCError(
                f"total batch {len(keys)} exceeds the queue length {self.length}; set queue_len to "
                f"at least {len(keys)} or use a smaller batch"
            )
        slots = self._slots(0, len(keys))
        self.keys.index_copy_(0, slots, keys.to(self.keys.dtype))
        self.pointer.copy_((self.pointer + len(keys)) % self.length)
        return slots

    def newest(self, count: int) -> Tensor:
        """(count, D) keys enqueued last, in the order in which they came."""
        return self.keys[self.newest_entries(count)]

    def newest_entries(self, count: int) -> Tensor:
        """(count,) int64 entries that hold the keys enqueued last, in the order of those."""
        return self._slots(-count, count)

    def _slots(self, start: int, count: int) -> Tensor:
        """(count,) entries from ``start`` after the pointer on, around the end."""
        return (self.pointer + start + torch.arange(count, device=self.keys.device)) % self.length
