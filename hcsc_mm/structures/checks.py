"""What a hierarchy refuses, each with a word on what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

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


def check_levels(
    assignment: Tensor,
    parents: Sequence[Tensor],
    prototypes: Sequence[Tensor],
    concentrations: Sequence[Tensor],
) -> None:
    """A tree of L levels, finest first.

    Args:
        assignment: To be (N,) int, from 0 to K_0 - 1.
        parents: To be (K_l,) int per level but the last, from 0 to K_{l+1} - 1.
        prototypes: To be (K_l, D) floating point per level, each row of unit length.
        concentrations: To be (K_l,) floating point per level, above 0.

    Raises:
        HCSCError: they are not, or there is no level; it names the first.
    """
    num_levels = len(prototypes)
    if num_levels == 0:
        raise HCSCError("prototypes is empty: a hierarchy has at least one level")
    if len(parents) != num_levels - 1 or len(concentrations) != num_levels:
        raise HCSCError(
            f"{num_levels} levels of prototypes need {num_levels - 1} parents and {num_levels} "
            f"concentrations, got {len(parents)} and {len(concentrations)}"
        )
    for level, rows in enumerate(prototypes):
        check_prototypes(f"prototypes[{level}]", rows, prototypes[0])
        check_concentrations(f"concentrations[{level}]", concentrations[level], len(rows))
    check_indices("assignment", assignment, None, len(prototypes[0]))
    for level, above in enumerate(parents):
        check_indices(
            f"parents[{level}]", above, len(prototypes[level]), len(prototypes[level + 1])
        )


def check_prototype(num_prototypes: Sequence[int], level: int, prototype: int) -> None:
    """A prototype's place in a tree.

    Args:
        num_prototypes: K of each level, finest first.
        level: To be from 0, the finest, to the number of levels - 1.
        prototype: To be from 0 to K of that level - 1.

    Raises:
        HCSCError: there is no such prototype.
    """
    if not 0 <= level < len(num_prototypes):
        raise HCSCError(f"there is no level {level}: levels are 0 to {len(num_prototypes) - 1}")
    if not 0 <= prototype < num_prototypes[level]:
        raise HCSCError(
            f"level {level} has the prototypes 0 to {num_prototypes[level] - 1}, not {prototype}"
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
