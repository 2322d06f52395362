"""The two losses of HCSC over all levels and views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...structures import PrototypeHierarchy
from ...utils.precision import at_least_float32, full_precision
from ..contrasts import InfoNCE, Pairs
from ..losses import selective_info_nce
from ..selection import Draw
from .info_nce_head import InfoNCEHead, by_view
from .loss_rule import LossRule

# Options of this class in 0.1.0 → those of ClusterSelection.
_MOVED = {
    "select_instances": "instances",
    "select_prototypes": "prototypes",
    "select_on_local": "local_instances",
}


@MODELS.register_module()
class HCSCHead(InfoNCEHead):
    """Instance and prototype losses with selected negatives (HCSC, Section 3).

    Which negatives are kept comes as draws; without a hierarchy (warm-up) the loss is MoCo v2's.

    Args:
        temperature: τ of the instance logits, above 0, 0.2 by default. The prototype logits have
            the prototypes' concentrations instead.
        rule: How draws and levels become losses: 'released' as in the authors' code (the default),
            'paper' as the paper writes it, or a dict of the options of :class:`LossRule`.
        contrast: That of the instance losses, as in :class:`InfoNCEHead`.
        **options: None; options that have moved are refused with their new place.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        rule: str | Mapping[str, str] | LossRule = "released",
        contrast: dict | nn.Module | None = None,
        **options: Any,
    ) -> None:
        super().__init__(temperature, contrast)
        for name, value in options.items():
            if name not in _MOVED:
                raise HCSCError(
                    f"HCSCHead has no option {name}; it has temperature, rule, contrast"
                )
            raise HCSCError(
                f"HCSCHead({name}={value}): selection has a class of its own since 0.2; set "
                f"model.selection.{_MOVED[name]}={value} instead"
            )
        self.rule = LossRule.build(rule)
        if self.rule.rejected not in self.contrast.rejected_rules:
            kind = type(self.contrast).__name__
            raise HCSCError(
                f"{kind} has no denominator in which a rejected negative could leave a 1 "
                f"(rejected={self.rule.rejected!r}); set model.head.rule=paper, or in the config "
                "rule=dict(rejected='absent')"
            )

    def loss(
        self,
        queries: Sequence[Tensor],
        key: Tensor,
        keys: Tensor,
        hierarchy: PrototypeHierarchy | None = None,
        path: Sequence[Tensor] | None = None,
        draws: Sequence[Draw] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of one batch.

        Args:
            queries: The query view, then the local views; each (B, D), unit length.
            key: (B, D) of the same images, unit length, without gradient.
            keys: (Q, D) of the queue.
            hierarchy: None during warm-up.
            path: (B,) per level, the images' prototypes: ``hierarchy.path(sample_idx)``.
            draws: One :class:`Draw` per view; by default every negative is kept.

        Returns:
            'loss_instance' and 'loss_prototype', and with local views 'loss_local_instance' and
            'loss_local_prototype'; they add up to the training loss.

        Raises:
            HCSCError: a hierarchy without a path, or not as many draws as views.
        """
        if hierarchy is None:
            return super().loss(queries, key, keys)
        if path is None:
            raise HCSCError(
                "with a hierarchy the loss needs the images' path; give "
                "path=hierarchy.path(sample_idx)"
            )
        draws = [Draw((), ())] * len(queries) if draws is None else draws
        if len(draws) != len(queries):
            raise HCSCError(f"{len(queries)} views need as many draws, got {len(draws)}")
        # The queue changes in place before the backward pass has read it.
        keys = keys.detach().clone()
        views = list(zip(queries, draws, strict=True))
        pairs = self.pairs(queries, key, keys)
        instance = [self._instance_loss(one, draw) for one, draw in zip(pairs, draws, strict=True)]
        prototype = [self._prototype_loss(query, hierarchy, path, draw) for query, draw in views]
        return {**by_view("instance", instance), **by_view("prototype", prototype)}

    def _instance_loss(self, pairs: Pairs, draw: Draw) -> Tensor:
        if not draw.instances:
            return self.contrast(pairs)
        pairs = replace(pairs, rejected=self.rule.rejected)
        if type(self.contrast).forward is InfoNCE.forward:  # what levels share is computed once
            levels = self.contrast.of_draws(pairs, draw.instances)
        else:
            one_by_one = (replace(pairs, keep=keep) for keep in draw.instances)
            levels = torch.stack([self.contrast(one) for one in one_by_one])
        return levels.sum() if self.rule.instance_reduction == "sum" else levels.mean()

    def _prototype_loss(
        self, query: Tensor, hierarchy: PrototypeHierarchy, path: Sequence[Tensor], draw: Draw
    ) -> Tensor:
        levels = []
        for level, own in enumerate(path):
            with full_precision(query.device):
                query = at_least_float32(query)
                prototypes = hierarchy.prototypes[level].to(query)
                logits = query @ prototypes.T / hierarchy.concentrations[level].to(query)  # (B, K)
            positive = logits.gather(1, own[:, None]).squeeze(1)  # (B,)
            negative = self._without_positives(logits, own)
            keep = draw.prototypes[level] if level < len(draw.prototypes) else None
            loss = selective_info_nce(positive, negative, keep, rejected=self.rule.rejected)
            levels.append(loss)
        return torch.stack(levels).mean()

    def _without_positives(self, logits: Tensor, own: Tensor) -> Tensor:
        """(B, K_l) with −inf for the whole batch's positives, or for each query's own."""
        if self.rule.exclude == "batch":
            return logits.index_fill(1, own, float("-inf"))
        return logits.scatter(1, own[:, None], float("-inf"))
