"""HCSC's rule of selection: what it knows of keys and prototypes, and its draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...runtime import KeepsResumeState
from ...structures import PrototypeHierarchy
from ...utils.shard import all_gather_rows, shard_slice
from .draws import bernoulli
from .formula import (
    Draw,
    keep_probabilities,
    keep_probability,
    log_partition,
    mean_keep_probability,
)

INSTANCE_CLAMP = (0.0, 0.999)  # of the released code, as is the next
PROTOTYPE_CLAMP = (0.0001, 0.999)


@dataclass(frozen=True)
class Denominators:
    """Log denominators of the selection softmax under one hierarchy: what no query changes.

    Attributes:
        hierarchy: Whose prototypes they are sums over.
        of_keys: (Q,) per level, log Σ_i exp(key·c_i / φ_i); rows are renewed in place.
        of_prototypes: (K_l,) per level but the last, the same of the level's prototypes over those
            of the level above.
        keep_shares: Mean keep probability per level over the keys and images of the moment.
    """

    hierarchy: PrototypeHierarchy
    of_keys: tuple[Tensor, ...]
    of_prototypes: tuple[Tensor, ...]
    keep_shares: tuple[Tensor, ...]

    @classmethod
    def build(cls, hierarchy: PrototypeHierarchy, keys: Tensor) -> Denominators:
        """Of all (Q, D) keys; the hierarchy is on their device."""
        levels = list(zip(hierarchy.prototypes, hierarchy.concentrations, strict=True))
        of_keys = tuple(log_partition(keys, *level) for level in levels)
        below = hierarchy.prototypes[:-1]
        of_prototypes = tuple(
            log_partition(children, *level)
            for children, level in zip(below, levels[1:], strict=True)
        )
        shares = tuple(
            mean_keep_probability(keys, *level, known, sizes)
            for level, known, sizes in zip(levels, of_keys, hierarchy.sizes(), strict=True)
        )
        return cls(hierarchy, of_keys, of_prototypes, shares)


@MODELS.register_module()
class ClusterSelection(nn.Module, KeepsResumeState):
    """Draw the negatives of each query anew, by how surely they belong to other clusters than its.

    A negative is kept with probability 1 − softmax_i(x·c_i / φ_i)[the query's prototype] (HCSC,
    Eq. 7 and 9): instance negatives x (queue keys) against the prototypes of each level, prototype
    negatives of a level against those of the next. The softmax's denominators are kept for every
    queue entry, and renewed for the entries just enqueued, so that a training step never computes a
    (Q, K) matrix.

    Another rule of selection is another class with the methods of this one.

    Args:
        instances: Draw instance negatives, once per level. Otherwise each query has one plain
            InfoNCE over all keys instead of one term per level. On by default.
        prototypes: Draw prototype negatives. Otherwise all are kept. On by default.
        local_instances: Draw instance negatives of local views, too: they share the draws of their
            query view. Off by default, as in the released code, whose multi-crop runs switch it
            on (there ``selection_on_local``). Prototype negatives of local views are drawn in any
            case, as there.
        share_above: Scores of new keys against prototypes, W · B · ΣK, above which each rank
            renews the denominators of its own keys and the ranks gather them. 2²⁶ by default, at
            which a GPU takes about as long for them as for the gathering; ImageNet's batch of 256
            makes 1.5 million.
    """

    def __init__(
        self,
        instances: bool = True,
        prototypes: bool = True,
        local_instances: bool = False,
        share_above: int = 2**26,
    ) -> None:
        super().__init__()
        self.instances = instances
        self.prototypes = prototypes
        self.local_instances = local_instances
        self.share_above = share_above
        self._known: Denominators | None = None

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """What is selected by; None during warm-up."""
        return None if self._known is None else self._known.hierarchy

    @torch.no_grad()
    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None, keys: Tensor) -> None:
        """Select by this hierarchy from now on.

        Args:
            hierarchy: On the keys' device; None forgets what is known.
            keys: (Q, D) of the queue, unit length.
        """
        self._known = None if hierarchy is None else Denominators.build(hierarchy, keys)

    @torch.no_grad()
    def renew(self, slots: Tensor, keys: Tensor) -> None:
        """Learn of new keys; without a hierarchy there is nothing to learn.

        Args:
            slots: (B_total,) int64, entries of the queue that have changed; the same on all ranks.
            keys: (B_total, D), the keys that they hold now.
        """
        if self._known is None:
            return
        hierarchy = self._known.hierarchy
        shared = len(keys) * sum(hierarchy.num_prototypes) > self.share_above
        mine = keys[shard_slice(len(keys))] if shared else keys
        levels = zip(hierarchy.prototypes, hierarchy.concentrations, strict=True)
        fresh = torch.stack([log_partition(mine, *level) for level in levels], dim=1)
        if shared:
            fresh = all_gather_rows(fresh)  # (B_total, L)
        for known, values in zip(self._known.of_keys, fresh.T, strict=True):
            known.index_copy_(0, slots, values)

    @torch.no_grad()
    def draw(self, keys: Tensor, path: Sequence[Tensor], num_views: int) -> list[Draw]:
        """One Bernoulli draw per (query, candidate, level), for every view.

        Args:
            keys: (Q, D) of the queue, those that were set and renewed.
            path: (B,) per level, the images' prototypes: ``hierarchy.path(sample_idx)``.
            num_views: Query view and local views.

        Raises:
            HCSCError: no hierarchy has been set.
        """
        if self._known is None:
            raise HCSCError("there is no hierarchy to select by; call set_hierarchy first")
        of_instances = self.instance_probabilities(keys, path) if self.instances else ()
        of_prototypes = self.prototype_probabilities(path) if self.prototypes else ()
        instances = _draw_each(of_instances)
        local = instances if self.local_instances else ()
        return [
            Draw(instances if view == 0 else local, _draw_each(of_prototypes))
            for view in range(num_views)
        ]

    def instance_probabilities(self, keys: Tensor, path: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(B, Q) per level, of keeping each key."""
        hierarchy = self._known.hierarchy
        levels = list(zip(hierarchy.prototypes, hierarchy.concentrations, strict=True))
        found = keep_probabilities(keys, levels, path, self._known.of_keys, INSTANCE_CLAMP)
        return found.unbind()

    def prototype_probabilities(self, path: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(B, K_l) per level but the last, of keeping each prototype."""
        hierarchy = self._known.hierarchy
        return tuple(
            keep_probability(
                hierarchy.prototypes[level],
                hierarchy.prototypes[level + 1],
                hierarchy.concentrations[level + 1],
                path[level + 1],
                clamp=PROTOTYPE_CLAMP,
                log_partition=self._known.of_prototypes[level],
            )
            for level in range(hierarchy.num_levels - 1)
        )

    def keep_shares(self) -> dict[str, float]:
        """For the log: 'level<l>/keep_probability', the mean over queue keys and training images.

        As of the moment when the hierarchy was set; empty without one.
        """
        shares = () if self._known is None else self._known.keep_shares
        return {f"level{level}/keep_probability": float(s) for level, s in enumerate(shares)}

    def resume_state(self) -> dict[str, Any]:
        """The kept denominators.

        They follow from keys and hierarchy, but summed up in one go their last bit is another one
        than of the pieces of training.
        """
        known = () if self._known is None else self._known.of_keys
        return {"log_partition": [level.cpu() for level in known]}

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Put the denominators back, if they are of as many levels."""
        known = () if self._known is None else self._known.of_keys
        if len(known) == len(state["log_partition"]):
            for own, value in zip(known, state["log_partition"], strict=True):
                own.copy_(value)

    def extra_repr(self) -> str:
        options = ("instances", "prototypes", "local_instances", "share_above")
        return ", ".join(f"{name}={getattr(self, name)}" for name in options)


def _draw_each(probabilities: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(bernoulli(probability) for probability in probabilities)


def kept_shares(draw: Draw) -> dict[str, Tensor]:
    """For the log: the share of negatives that a view's draws kept, per level.

    No 'loss' in these names, or mmengine would train on them.
    """
    kinds = {"instances": draw.instances, "prototypes": draw.prototypes}
    return {
        f"kept_{kind}_level{level}": keep.count_nonzero() / keep.numel()
        for kind, levels in kinds.items()
        for level, keep in enumerate(levels)
    }
