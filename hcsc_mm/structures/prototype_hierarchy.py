"""The tree of prototypes: the one object that crosses rooms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import HCSCError
from ..utils.files import written_whole
from ..utils.safe_load import load_data
from .checks import check_features, check_levels, check_prototype
from .shard import Shard

# Rows of a similarity matrix that are alive at once.
_CHUNK_ROWS = 4096


@dataclass(frozen=True, eq=False, repr=False)
class PrototypeHierarchy:
    """L levels of prototypes, finest first, and where every training image stands in them.

    An image's prototype at level l + 1 is always the parent of its prototype at level l, so that
    one assignment per image and one parent per prototype describe the whole tree.

    Attributes:
        assignment: (N,) int, level-0 prototype of every training image; with a shard (n,), of this
            process's images.
        parents: (K_l,) int per level but the last: prototype of level l → prototype of level l + 1.
        prototypes: (K_l, D) float per level, unit length.
        concentrations: (K_l,) float > 0 per level; their mean is the temperature.
        shard: Which images those of the assignment are; None if they are all.

    Raises:
        HCSCError: on construction, if a shape, range or dtype does not fit; the message says which.
    """

    assignment: Tensor
    parents: tuple[Tensor, ...]
    prototypes: tuple[Tensor, ...]
    concentrations: tuple[Tensor, ...]
    shard: Shard | None = None

    def __post_init__(self) -> None:
        for name in ("parents", "prototypes", "concentrations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_levels(self.assignment, self.parents, self.prototypes, self.concentrations)
        if self.shard is not None:
            self.shard.check(len(self.assignment), len(self.prototypes[0]))

    @property
    def num_levels(self) -> int:
        return len(self.prototypes)

    @property
    def num_prototypes(self) -> tuple[int, ...]:
        """K_l per level, finest first."""
        return tuple(len(prototypes) for prototypes in self.prototypes)

    @property
    def num_samples(self) -> int:
        """N, the number of training images, also of those that only other processes know."""
        return len(self.assignment) if self.shard is None else self.shard.total

    @property
    def own(self) -> slice:
        """Numbers of the images whose prototypes are known here: all, or those of the shard."""
        start = 0 if self.shard is None else self.shard.start
        return slice(start, start + len(self.assignment))

    @property
    def is_whole(self) -> bool:
        """Whether the prototypes of all training images are known here."""
        return self.shard is None

    @property
    def assignments(self) -> tuple[Tensor, ...]:
        """All that it holds per image, (n,) each: one tensor, but several for flat clusterings."""
        return (self.assignment,)

    def holding(self, assignments: Sequence[Tensor], start: int) -> PrototypeHierarchy:
        """The same tree with other images' prototypes at hand.

        Args:
            assignments: As :attr:`assignments`, for (m,) images, all of them or any shard.
            start: Number of the first of these images.
        """
        (assignment,) = assignments
        whole = len(assignment) == self.num_samples
        shard = None if whole else Shard(start, self.num_samples, self.sizes()[0])
        return replace(self, assignment=assignment, shard=shard)

    def sizes(self) -> tuple[Tensor, ...]:
        """(K_l,) int64 per level: how many training images stand below each prototype."""
        if self.shard is None:
            sizes = [torch.bincount(self.assignment.long(), minlength=self.num_prototypes[0])]
        else:
            sizes = [self.shard.counts]
        for parents, number in zip(self.parents, self.num_prototypes[1:], strict=True):
            above = sizes[-1].new_zeros(number)
            sizes.append(above.index_add_(0, parents.long(), sizes[-1]))
        return tuple(sizes)

    def path(self, sample_idx: Tensor | Sequence[int]) -> tuple[Tensor, ...]:
        """Prototype of each training image at every level: c_0 = assignment[idx], c_{l+1} =
        parents[l][c_l].

        Args:
            sample_idx: (B,) int, indices of training images.

        Returns:
            (B,) int64 per level, on the hierarchy's device.

        Raises:
            HCSCError: with a shard, an image that is not of it.
        """
        index = torch.as_tensor(sample_idx, dtype=torch.long)
        if self.shard is not None:
            index = self.shard.rows(index, len(self.assignment))
        index = index.to(self.assignment.device, non_blocking=True)
        return self._climb(self.assignment[index].long())

    def assign(self, features: Tensor | NDArray) -> tuple[Tensor, ...] | tuple[NDArray, ...]:
        """Prototype of *new* images at every level: the nearest level-0 prototype, then up the
        tree.

        Args:
            features: (B, D) floating point, unit length; a tensor on the hierarchy's device, or a
                NumPy array.

        Returns:
            (B,) int64 per level: tensors for a tensor, arrays for an array.

        Raises:
            HCSCError: features of another shape or type, with NaN or infinity, or whose length is
                not 1: a direction has a nearest prototype, any other vector means a mistake.
        """
        if isinstance(features, np.ndarray):
            if features.dtype.kind != "f":
                raise HCSCError(f"features must be floating point, got {features.dtype}")
            tensor = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
            return tuple(level.cpu().numpy() for level in self.to("cpu").assign(tensor))
        check_features(features, self.prototypes[0].shape[1])
        prototypes = self.prototypes[0].T.to(features.dtype)
        # Prototypes have unit length: the largest inner product is the smallest distance.
        nearest = [(rows @ prototypes).argmax(dim=1) for rows in features.split(_CHUNK_ROWS)]
        return self._climb(torch.cat(nearest))

    def children(self, level: int, prototype: int) -> Tensor:
        """Prototypes of the next finer level whose parent this one is.

        Args:
            level: From 1, the finest that has children, to num_levels − 1; 0 is the finest level.
            prototype: Its number, in [0, K_level).

        Returns:
            (n,) int64, ascending; empty for a prototype that no finer one belongs to.

        Raises:
            HCSCError: there is no such prototype, or it is of level 0, whose :meth:`members` are
                images.
        """
        check_prototype(self.num_prototypes, level, prototype)
        if level == 0:
            raise HCSCError("prototypes of level 0 have no children but images: see members()")
        return (self.parents[level - 1] == prototype).nonzero().squeeze(1)

    def members(self, level: int, prototype: int) -> Tensor:
        """Training images under a prototype of any level.

        Args:
            level: From 0, the finest, to num_levels − 1.
            prototype: Its number, in [0, K_level).

        Returns:
            (n,) int64 indices of training images, ascending.

        Raises:
            HCSCError: there is no such prototype, or not all images are known here.
        """
        check_prototype(self.num_prototypes, level, prototype)
        if self.shard is not None:
            raise HCSCError(
                f"only {len(self.assignment)} of {self.num_samples} images have their prototypes "
                "here, and members() would leave out the others; read the checkpoint with "
                "saved_tree(checkpoint, path=…), which looks into the files beside it"
            )
        return (self._climb(self.assignment.long())[level] == prototype).nonzero().squeeze(1)

    def siblings(self, level: int, prototype: int) -> Tensor:
        """The other prototypes of the same parent, the most similar first; on the highest level all
        others.

        Args:
            level: From 0, the finest, to num_levels − 1.
            prototype: Its number, in [0, K_level).

        Returns:
            (n,) int64, by falling cosine with the prototype.

        Raises:
            HCSCError: there is no such prototype.
        """
        check_prototype(self.num_prototypes, level, prototype)
        prototypes = self.prototypes[level]
        if level == self.num_levels - 1:
            family = torch.arange(len(prototypes), device=prototypes.device)
        else:
            family = self.children(level + 1, int(self.parents[level][prototype]))
        others = family[family != prototype]
        similarity = prototypes[others] @ prototypes[prototype]
        return others[similarity.argsort(descending=True, stable=True)]

    def __repr__(self) -> str:
        numbers = " → ".join(map(str, self.num_prototypes))
        dim, device = self.prototypes[0].shape[1], self.assignment.device
        return (
            f"PrototypeHierarchy({self.num_samples} images → {numbers} prototypes, {dim} "
            f"dimensions, {device})"
        )

    def _climb(self, prototype: Tensor) -> tuple[Tensor, ...]:
        path = [prototype]
        for parents in self.parents:
            path.append(parents[path[-1]].long())
        return tuple(path)

    def spread(self, known: Tensor, start: int = 0, total: int | None = None) -> PrototypeHierarchy:
        """The same prototypes over more images: the new ones get prototype 0.

        Args:
            known: (M,) bool, the M images of which this hierarchy's are those marked, in order.
            start: With a shard, the number of the first of the M images.
            total: With a shard, N with the new images of all processes.
        """
        assignment = torch.zeros(len(known), dtype=torch.int32, device=self.assignment.device)
        assignment[known.to(assignment.device)] = self.assignment.int()
        shard = self.shard
        if shard is not None:
            counts = shard.counts.clone()
            counts[0] += total - shard.total
            shard = Shard(start, total, counts)
        return replace(self, assignment=assignment, shard=shard)

    def to(self, device: torch.device | str) -> PrototypeHierarchy:
        """The same hierarchy on another device; itself if it is there already."""
        if self.assignment.device == torch.device(device):
            return self
        return PrototypeHierarchy(
            self.assignment.to(device),
            *(
                tuple(t.to(device) for t in ts)
                for ts in (self.parents, self.prototypes, self.concentrations)
            ),
            shard=None if self.shard is None else self.shard.to(device),
        )

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, so that ``torch.load(weights_only=True)`` reads it."""
        shard = {} if self.shard is None else {"shard": self.shard.state_dict()}
        return {
            "assignment": self.assignment,
            "parents": list(self.parents),
            "prototypes": list(self.prototypes),
            "concentrations": list(self.concentrations),
            **shard,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> PrototypeHierarchy:
        names = ("assignment", "parents", "prototypes", "concentrations")
        missing = [name for name in names if name not in state]
        if missing:
            raise HCSCError(
                f"not a prototype hierarchy: {', '.join(missing)} missing from the state"
            )
        shard = Shard.from_state_dict(state.get("shard"))
        return cls(*(state[name] for name in names), shard=shard)

    def save(self, path: str | os.PathLike) -> None:
        """Write the hierarchy to a file, whole or not at all."""
        with written_whole(path) as aside:
            torch.save(self.to("cpu").state_dict(), aside)

    @classmethod
    def load(cls, path: str | os.PathLike) -> PrototypeHierarchy:
        """Read a hierarchy written by :meth:`save`, without executing anything that the file may
        contain.
        """
        return cls.from_state_dict(load_data(path, map_location="cpu"))
