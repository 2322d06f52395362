"""PCL: momentum contrast, and each query against the prototypes of several flat clusterings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor

from ...clustering.independent_kmeans import IndependentClusterings, independent_kmeans
from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import at_least_float32, full_precision
from .momentum_contrast import MomentumContrast


@MODELS.register_module()
class PCL(MomentumContrast):
    """Prototypical Contrastive Learning (Li et al., ICLR 2021), in the recipe of its v2.

    MoCo v2's loss, and from the first clustering on the ProtoNCE terms (PCL, Eq. 11), averaged over
    the clusterings: the query's own prototype against the prototypes of the other images in the
    batch and against sampled ones, with the prototypes' concentrations as temperatures.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is an :class:`InfoNCEHead`.
        num_negative_prototypes: r, sampled negatives per clustering, at least 1; all there are, if
            there are fewer. 16384 as in the released code by default.
        **kwargs: Further arguments of :class:`MomentumContrast`.
    """

    def __init__(self, *args: Any, num_negative_prototypes: int = 16384, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if num_negative_prototypes < 1:
            raise HCSCError(f"num_negative_prototypes={num_negative_prototypes} must be at least 1")
        self.num_negative_prototypes = num_negative_prototypes
        self._clusterings: IndependentClusterings | None = None

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """MoCo's loss of every view, and the query view's prototype loss."""
        losses = super().contrast(queries, key, data_samples)
        if self.hierarchy is None:
            return losses
        path = self.hierarchy.path([sample.sample_idx for sample in data_samples])
        terms = []
        levels = zip(path, self.hierarchy.prototypes, self.hierarchy.concentrations, strict=True)
        for own, prototypes, concentrations in levels:
            negatives = sample_negatives(own, len(prototypes), self.num_negative_prototypes)
            terms.append(proto_nce(queries[0], own, prototypes, concentrations, negatives))
        return {**losses, "loss_prototype": torch.stack(terms).mean()}

    @property
    def hierarchy(self) -> IndependentClusterings | None:
        """What the model trains with; None during warm-up."""
        return self._clusterings

    def set_hierarchy(self, hierarchy: IndependentClusterings | None) -> None:
        """Train with these clusterings from now on; None goes back to MoCo v2."""
        self._clusterings = None if hierarchy is None else hierarchy.to(self.queue.keys.device)

    def build_hierarchy(
        self, features: Tensor, num_prototypes: Sequence[int], **options: Any
    ) -> IndependentClusterings:
        """Cluster (n, D) features of this rank's shard, once for each number of prototypes."""
        return independent_kmeans(features, num_prototypes, **options)

    def load_hierarchy(self, state: Mapping[str, Any]) -> IndependentClusterings:
        """Clusterings from a checkpoint's entry."""
        return IndependentClusterings.from_state_dict(state)

    @property
    def concentration_temperature(self) -> float:
        """Mean of every level's concentrations: the head's temperature."""
        return self.head.temperature

    def keep_shares(self) -> dict[str, float]:
        """Nothing: all negatives are kept."""
        return {}


def sample_negatives(own: Tensor, num_prototypes: int, number: int) -> tuple[Tensor, Tensor]:
    """Draw prototypes that are the own one of no image in the batch, without repetition.

    Args:
        own: (B,) int64, the images' prototypes.
        num_prototypes: How many prototypes the level has, K.
        number: r, to draw at most.

    Returns:
        (min(r, K),) int64 prototypes, and as many bool: False where there are no more negatives,
        and a prototype of the batch stands in. Nothing waits for the device.
    """
    score = torch.rand(num_prototypes, device=own.device).index_fill_(0, own, -1.0)
    best, drawn = score.topk(min(number, num_prototypes))
    return drawn, best >= 0


def proto_nce(
    query: Tensor,
    own: Tensor,
    prototypes: Tensor,
    concentrations: Tensor,
    negatives: tuple[Tensor, Tensor],
) -> Tensor:
    """Cross entropy of each query's own prototype against the batch's and the sampled ones.

    As in the released code, an own prototype that several images of the batch share stands in the
    denominator once for each of them.

    Args:
        query: (B, D), unit length.
        own: (B,) int64, the images' prototypes.
        prototypes: (K, D), unit length.
        concentrations: (K,), the logits' temperatures.
        negatives: Places of the negative prototypes, from :func:`sample_negatives`.

    Returns:
        () mean over the batch, float32 or wider.
    """
    drawn, is_negative = negatives
    chosen = torch.cat([own, drawn])  # (B + r,)
    with full_precision(query.device):
        query = at_least_float32(query)
        logits = query @ prototypes[chosen].to(query).T / concentrations[chosen].to(query)
        logits[:, len(own) :].masked_fill_(~is_negative, float("-inf"))
        return F.cross_entropy(logits, torch.arange(len(own), device=logits.device))
