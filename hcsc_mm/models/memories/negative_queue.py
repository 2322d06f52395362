"""The queue of keys that serve as negatives (MoCo, Section 3.2), and what selection needs to know
of each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import HCSCError
from ...structures import PrototypeHierarchy, log_partition


class NegativeQueue(nn.Module):
    """First in, first out: the keys of the last batches.

    The selection softmax over prototypes has a denominator that depends on the key and the
    hierarchy only. It is kept per level and entry, and renewed for the entries just enqueued, so
    that a training step never computes a (Q, K) matrix.

    Args:
        length: Q, number of keys.
        dim: D, length of a key.

    Attributes:
        keys: (Q, D) buffer, unit length; random directions before the first keys arrive.
        pointer: () int64 buffer, where the next key goes.
        hierarchy: What :attr:`log_partition` belongs to, or None.
        log_partition: (Q,) float32 per level, log Σ_i exp(key·c_i / φ_i); empty without a
            hierarchy. Not in the state dict: it follows from keys and hierarchy.
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
        self.log_partition: tuple[Tensor, ...] = ()
        self.hierarchy: PrototypeHierarchy | None = None
        # Keys loaded from a checkpoint are other keys: what was known of the old ones is wrong.
        self.register_load_state_dict_post_hook(_renew_log_partition)

    @property
    def length(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys; past the end it goes on at the start.

        Args:
            keys: (B_total, D), already gathered from all ranks.

        Raises:
            HCSCError: more keys than the queue holds.
        """
        if len(keys) > self.length:
            raise HCSCError(
                f"total batch {len(keys)} exceeds the queue length {self.length}; "
                f"set queue_len to at least {len(keys)} or use a smaller batch"
            )
        slots = self._slots(0, len(keys))
        self.keys.index_copy_(0, slots, keys.to(self.keys.dtype))
        self.pointer.copy_((self.pointer + len(keys)) % self.length)
        for level, known in enumerate(self.log_partition):
            prototypes, concentrations = (
                self.hierarchy.prototypes[level],
                self.hierarchy.concentrations[level],
            )
            known.index_copy_(0, slots, log_partition(self.keys[slots], prototypes, concentrations))

    def newest(self, count: int) -> Tensor:
        """(count, D) keys enqueued last, in the order in which they came."""
        return self.keys[self._slots(-count, count)]

    def _slots(self, start: int, count: int) -> Tensor:
        """(count,) entries from ``start`` after the pointer on, around the end."""
        return (self.pointer + start + torch.arange(count, device=self.keys.device)) % self.length

    @torch.no_grad()
    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Fill :attr:`log_partition` for a new hierarchy, which must be on the queue's device; None
        clears it.
        """
        self.hierarchy = hierarchy
        self.log_partition = (
            ()
            if hierarchy is None
            else tuple(
                log_partition(self.keys, *level)
                for level in zip(hierarchy.prototypes, hierarchy.concentrations, strict=True)
            )
        )


def _renew_log_partition(queue: NegativeQueue, _) -> None:
    queue.set_hierarchy(queue.hierarchy)
