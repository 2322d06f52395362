"""The two losses of HCSC over all levels and views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import HCSCError
from ...registry import MODELS
from ...structures import PrototypeHierarchy
from ..losses import selective_info_nce
from ..memories import NegativeQueue
from ..utils.negative_selection import Draw, bernoulli, keep_probability
from .loss_rule import LossRule

INSTANCE_CLAMP = (0.0, 0.999)
PROTOTYPE_CLAMP = (0.0001, 0.999)


@MODELS.register_module()
class HCSCHead(BaseModule):
    """Hierarchical contrastive selective coding: instance and prototype losses with selected
    negatives (HCSC, Section 3).

    Without a hierarchy (warm-up) the loss is plain InfoNCE over the whole queue: MoCo v2.

    Args:
        temperature: τ of the instance logits; the prototype logits have the prototypes'
            concentrations.
        select_instances: Draw the instance negatives once per level. Otherwise one plain InfoNCE
            replaces the per-level terms.
        select_prototypes: Draw the prototype negatives. Otherwise all of them are kept.
        select_on_local: Draw the negatives of local views, too. Otherwise each has one plain
            InfoNCE and keeps all prototypes.
        rule: 'released', 'paper', or a dict of the options of :class:`LossRule`.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        select_instances: bool = True,
        select_prototypes: bool = True,
        select_on_local: bool = False,
        rule: str | Mapping[str, str] = "released",
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise HCSCError(f"temperature={temperature} must be > 0")
        self.temperature = temperature
        self.select_instances = select_instances
        self.select_prototypes = select_prototypes
        self.select_on_local = select_on_local
        self.rule = LossRule.build(rule)

    def loss(
        self,
        queries: Sequence[Tensor],
        key: Tensor,
        queue: NegativeQueue | Tensor,
        hierarchy: PrototypeHierarchy | None = None,
        path: Sequence[Tensor] | None = None,
        draws: Sequence[Draw] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of one batch.

        Args:
            queries: The query view, then the local views; each (B, D), unit length.
            key: (B, D) of the same images, unit length, without gradient.
            queue: A NegativeQueue, or its (Q, D) keys.
            hierarchy: None during warm-up.
            path: (B,) per level, the images' prototypes: ``hierarchy.path(sample_idx)``.
            draws: One :class:`Draw` per view; None draws them here.

        Returns:
            The entries whose key contains 'loss' add up to the training loss; the others are for
            the log: the share of negatives kept per level.
        """
        keys = queue if isinstance(queue, Tensor) else queue.keys
        keys = (
            keys.detach().clone()
        )  # the queue changes in place before the backward pass has read it
        views = [self._instance_logits(query, key, keys) for query in queries]
        if hierarchy is None:
            plain = [selective_info_nce(*logits) for logits in views]
            return _named("loss_instance", "loss_local_instance", plain)
        if path is None:
            raise HCSCError(
                "with a hierarchy the loss needs the images' path; give "
                "path=hierarchy.path(sample_idx)"
            )
        if draws is None:
            draws = self.draw(len(queries), keys, queue, hierarchy, path)
        if len(draws) != len(queries):
            raise HCSCError(f"{len(queries)} views need as many draws, got {len(draws)}")
        instance = [
            self._instance_loss(view, *views[view], draws[view]) for view in range(len(views))
        ]
        prototype = [
            self._prototype_loss(view, queries[view], hierarchy, path, draws[view])
            for view in range(len(views))
        ]
        return {
            **_named("loss_instance", "loss_local_instance", instance),
            **_named("loss_prototype", "loss_local_prototype", prototype),
            **_kept_shares(draws[0]),
        }

    @torch.no_grad()
    def draw(
        self,
        num_views: int,
        keys: Tensor,
        queue: NegativeQueue | Tensor,
        hierarchy: PrototypeHierarchy,
        path: Sequence[Tensor],
    ) -> list[Draw]:
        """One Bernoulli draw per (query, candidate, level) for every view that selects; empty where
        a view keeps everything.
        """
        # What a queue knows holds for its own hierarchy only; of another one it is computed here.
        known = (
            queue.log_partition
            if isinstance(queue, NegativeQueue) and queue.hierarchy is hierarchy
            else ()
        )
        instance_probability, prototype_probability = [], []
        if self.select_instances:
            for level in range(hierarchy.num_levels):
                instance_probability.append(
                    keep_probability(
                        keys,
                        hierarchy.prototypes[level],
                        hierarchy.concentrations[level],
                        path[level],
                        clamp=INSTANCE_CLAMP,
                        log_partition=known[level] if known else None,
                    )
                )
        if self.select_prototypes:
            for level in range(hierarchy.num_levels - 1):
                prototype_probability.append(
                    keep_probability(
                        hierarchy.prototypes[level],
                        hierarchy.prototypes[level + 1],
                        hierarchy.concentrations[level + 1],
                        path[level + 1],
                        clamp=PROTOTYPE_CLAMP,
                        log_partition=hierarchy.child_log_partition[level],
                    )
                )
        draws = [Draw(_bernoulli(instance_probability), _bernoulli(prototype_probability))]
        for view in range(1, num_views):
            if not self._selects(view):
                draws.append(Draw((), ()))
                continue
            shared = self.rule.local_instance_draws == "shared"
            instances = draws[0].instances if shared else _bernoulli(instance_probability)
            draws.append(Draw(instances, _bernoulli(prototype_probability)))
        return draws

    def _instance_logits(self, query: Tensor, key: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) positive and (B, Q) negative logits in float32."""
        with torch.autocast(query.device.type, enabled=False):
            query = query.float()
            positive = (query * key.float()).sum(dim=1) / self.temperature  # (B,)
            return positive, (query @ keys.float().T).div_(self.temperature)  # (B, Q)

    def _instance_loss(self, view: int, positive: Tensor, negative: Tensor, draw: Draw) -> Tensor:
        if not (self.select_instances and self._selects(view)):
            return selective_info_nce(positive, negative)
        per_level = [
            selective_info_nce(positive, negative, keep, rejected=self.rule.rejected)
            for keep in draw.instances
        ]
        reduction = (
            self.rule.instance_reduction if view == 0 else self.rule.local_instance_reduction
        )
        return _reduce(per_level, reduction)

    def _prototype_loss(
        self,
        view: int,
        query: Tensor,
        hierarchy: PrototypeHierarchy,
        path: Sequence[Tensor],
        draw: Draw,
    ) -> Tensor:
        per_level = []
        for level, own in enumerate(path):
            with torch.autocast(query.device.type, enabled=False):
                logits = (
                    query.float()
                    @ hierarchy.prototypes[level].float().T
                    / hierarchy.concentrations[level].float()
                )  # (B, K_l)
            positive = logits.gather(1, own[:, None]).squeeze(1)  # (B,)
            excluded = self._excluded(own, logits)
            drawn = (
                self.select_prototypes and self._selects(view) and level < hierarchy.num_levels - 1
            )
            keep = draw.prototypes[level] if drawn else None
            negative = logits.masked_fill(excluded, float("-inf"))
            per_level.append(
                selective_info_nce(positive, negative, keep, rejected=self.rule.rejected)
            )
        return _reduce(per_level, self.rule.prototype_reduction)

    def _selects(self, view: int) -> bool:
        return view == 0 or self.select_on_local

    def _excluded(self, own: Tensor, logits: Tensor) -> Tensor:
        """Prototypes that are no negatives, (1, K_l) for the whole batch's positives or (B, K_l)
        for each query's own.
        """
        if self.rule.exclude == "batch":
            return torch.zeros_like(logits[:1], dtype=torch.bool).index_fill_(1, own, True)
        return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, own[:, None], True)


def _bernoulli(probabilities: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(bernoulli(probability) for probability in probabilities)


def _reduce(losses: Sequence[Tensor], reduction: str) -> Tensor:
    total = torch.stack(list(losses))
    return total.sum() if reduction == "sum" else total.mean()


def _named(query_name: str, local_name: str, losses: Sequence[Tensor]) -> dict[str, Tensor]:
    """The query view's loss under one name, the sum over the local views under another."""
    named = {query_name: losses[0]}
    if len(losses) > 1:
        named[local_name] = torch.stack(list(losses[1:])).sum()
    return named


def _kept_shares(draw: Draw) -> dict[str, Tensor]:
    """For the log: the share of negatives that the query view's draws kept. No 'loss' in these
    names, or it would be trained on.
    """
    shares = {
        f"kept_instances_level{level}": keep.count_nonzero() / keep.numel()
        for level, keep in enumerate(draw.instances)
    }
    shares.update(
        {
            f"kept_prototypes_level{level}": keep.count_nonzero() / keep.numel()
            for level, keep in enumerate(draw.prototypes)
        }
    )
    return shares
