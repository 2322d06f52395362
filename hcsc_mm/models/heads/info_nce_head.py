"""The loss of MoCo v2: each query against its key, with the queue as negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import at_least_float32, full_precision
from ..contrasts import Pairs


@MODELS.register_module()
class InfoNCEHead(BaseModule):
    """InfoNCE of every view against the key of its image and the whole queue (MoCo, Eq. 1).

    Args:
        temperature: τ of the logits, above 0; 0.2 as in MoCo v2 by default. A smaller one gives the
            hardest negatives more weight.
        contrast: Config or module of what becomes of a query, its positive and its negatives:
            ``hcsc_mm.InfoNCE`` by default. Others are in ``models/contrasts``; see docs/methods.md.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        contrast: dict | nn.Module | None = None,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise HCSCError(f"temperature={temperature} must be > 0")
        self.temperature = temperature
        contrast = {"type": "hcsc_mm.InfoNCE"} if contrast is None else contrast
        self.contrast = MODELS.build(contrast) if isinstance(contrast, dict) else contrast

    def loss(
        self, queries: Sequence[Tensor], key: Tensor, keys: Tensor, keep: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses of one batch.

        Args:
            queries: The query view, then the local views; each (B, D), unit length.
            key: (B, D) of the same images, unit length, without gradient.
            keys: (Q, D) negatives.
            keep: (B, Q) bool, True = a negative of the image, in all views; the others are absent.
                None keeps all.

        Returns:
            'loss_instance', and with local views 'loss_local_instance', their sum.
        """
        # The queue changes in place before the backward pass has read it.
        keys = keys.detach().clone()
        views = self.pairs(queries, key, keys)
        if keep is not None:
            views = [replace(pairs, keep=keep, rejected="absent") for pairs in views]
        return by_view("instance", [self.contrast(pairs) for pairs in views])

    def pairs(self, queries: Sequence[Tensor], key: Tensor, keys: Tensor) -> list[Pairs]:
        """Each view's pairs, in float32 or wider, with all negatives kept."""
        views = torch.stack([at_least_float32(query) for query in queries])  # (V, B, D)
        key, keys = key.to(views), keys.to(views)
        return [
            Pairs(
                query,
                key,
                keys,
                *self.instance_logits(query, key, keys),
                self.temperature,
                views,
                view,
            )
            for view, query in enumerate(views)
        ]

    def instance_logits(self, query: Tensor, key: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) positive and (B, Q) negative logits, in float32 or wider."""
        with full_precision(query.device):
            query = at_least_float32(query)
            positive = (query * key.to(query)).sum(dim=1) / self.temperature  # (B,)
            return positive, (query @ keys.to(query).T).div_(self.temperature)  # (B, Q)


def by_view(kind: str, losses: Sequence[Tensor]) -> dict[str, Tensor]:
    """The query view's loss under 'loss_<kind>', the local views' sum under 'loss_local_<kind>'."""
    named = {f"loss_{kind}": losses[0]}
    if len(losses) > 1:
        named[f"loss_local_{kind}"] = torch.stack(list(losses[1:])).sum()
    return named
