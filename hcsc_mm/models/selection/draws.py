"""Draws of True and False, each entry with a probability of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Just below 256, so that a probability of 1 has the byte 255 and a rest of 1.
_BYTES = 255.99998


def bernoulli(probability: Tensor) -> Tensor:
    """One draw per entry, True with its probability, exact to 2⁻²⁴ in float32.

    No two entries share random bits. On a GPU each compares a number of its own from
    ``torch.rand``. On a CPU most of a training step's draws would be spent on such numbers:
    there one random byte decides all entries but those whose byte is the probability's own first
    byte, one in 256, and a number from ``torch.rand`` decides these by what follows that byte.
    That takes a third of the time.

    Args:
        probability: float32 or wider, in [0, 1], any shape and device.

    Returns:
        bool of the same shape.
    """
    if probability.device.type != "cpu":
        return torch.rand_like(probability) < probability
    entries = probability.detach().reshape(-1).numpy()
    random = _random_bytes(len(entries))
    first = np.empty(len(entries), np.uint8)
    with np.errstate(invalid="ignore"):  # NaN, of a run that is about to be stopped
        np.multiply(entries, entries.dtype.type(_BYTES), out=first, casting="unsafe")
    keep = random < first
    undecided = np.flatnonzero(random == first)
    rest = entries[undecided] * 256 - first[undecided]  # in [0, 1]
    keep[undecided] = torch.rand(len(undecided), dtype=probability.dtype).numpy() < rest
    return torch.from_numpy(keep).view(probability.shape)


def _random_bytes(number: int) -> np.ndarray:
    """(number,) uint8 from torch's generator, eight of each number that it makes."""
    eights = torch.empty((number + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return eights.numpy().view(np.uint8)[:number]
