"""What a hierarchy refuses, each with a word on what is wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import HCSCError

# How far the length of a feature may be from 1: what bfloat16 leaves of a unit vector.
LENGTH_TOLERANCE = 1e-2


def check_features(features: Tensor, dim: int) -> None:
    """Features that can be compared with prototypes.

    Args:
        features: To be (B, D) floating point, each row of unit length to within
            ``LENGTH_TOLERANCE``.
        dim: D of the prototypes.

    Raises:
        HCSCError: they are not; it names the first row.
    """
    if features.ndim != 2 or features.shape[1] != dim:
        raise HCSCError(f"features must be (B, {dim}), got {tuple(features.shape)}")
    if not features.is_floating_point():
        raise HCSCError(f"features must be floating point, got {features.dtype}")
    length = features.float().norm(dim=1)
    # ~(…) and not >: NaN is on no side of a comparison.
    odd = (~((length - 1).abs() <= LENGTH_TOLERANCE)).nonzero().squeeze(1)
    if len(odd):
        first = int(odd[0])
        found = f"a length of {float(length[first]):.4g}"
        if not bool(torch.isfinite(features[first]).all()):
            found = "NaN or infinity"
        raise HCSCError(
            f"{len(odd)} of {len(features)} features have not unit length, row {first} has {found}"
            "; divide each row by its length, and look where NaN come from"
        )


def check_indices(name: str, index: Tensor, length: int | None, upper: int) -> None:
    """Numbers of images or prototypes.

    Args:
        name: What they are, for the message.
        index: To be (N,) int32 or int64, from 0 to ``upper`` - 1.
        length: N; None for any.
        upper: How many there are to be numbered.

    Raises:
        HCSCError: they are not.
    """
    if index.ndim != 1 or (length is not None and len(index) != length):
        raise HCSCError(
            f"{name} must have shape ({'N' if length is None else length},), got "
            f"{tuple(index.shape)}"
        )
    if index.dtype not in (torch.int32, torch.int64):
        raise HCSCError(f"{name} must be int32 or int64, got {index.dtype}")
    if index.numel() and (index.min() < 0 or index.max() >= upper):
        raise HCSCError(
            f"{name} must lie in [0, {upper}), got [{int(index.min())}, {int(index.max())}]"
        )


def check_prototypes(name: str, prototypes: Tensor, first: Tensor) -> None:
    """Prototypes of a level.

    Args:
        name: Which level, for the message.
        prototypes: To be (K, D) floating point with K ≥ 1, each row of unit length to within 1e-3.
        first: (K₀, D) prototypes of level 0, whose D all levels have.

    Raises:
        HCSCError: they are not.
    """
    if prototypes.ndim != 2 or len(prototypes) == 0 or prototypes.shape[1] != first.shape[-1]:
        raise HCSCError(
            f"{name} must be (K, {first.shape[-1]}) with K ≥ 1, got {tuple(prototypes.shape)}"
        )
    if not prototypes.is_floating_point():
        raise HCSCError(f"{name} must be floating point, got {prototypes.dtype}")
    length = prototypes.float().norm(dim=1)
    if not bool(((length - 1).abs() < 1e-3).all()):
        raise HCSCError(
            f"{name} must have unit length, got lengths in [{length.min():.4g}, {length.max():.4g}]"
        )


def check_concentrations(name: str, concentrations: Tensor, length: int) -> None:
    if concentrations.shape != (length,):
        raise HCSCError(f"{name} must have shape ({length},), got {tuple(concentrations.shape)}")
    if not concentrations.is_floating_point():
        raise HCSCError(f"{name} must be floating point, got {concentrations.dtype}")
    if not bool((torch.isfinite(concentrations) & (concentrations > 0)).all()):
        raise HCSCError(
            f"{name} must be finite and > 0, got a smallest value of {concentrations.min():.4g}"
        )
