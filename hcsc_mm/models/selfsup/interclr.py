"""InterCLR: positives and negatives between images, beside those within one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from ...errors import HCSCError
from ...registry import MODELS
from ...runtime import KeepsResumeState
from ...structures import PrototypeHierarchy
from ...utils.precision import at_least_float32, full_precision
from ..losses import selective_info_nce
from .named_keys import NamedKeys


@MODELS.register_module()
class InterCLR(NamedKeys, KeepsResumeState):
    """Inter-image invariance (Xie et al., "Delving into Inter-Image Invariance", IJCV 2022).

    (1 − w) times the loss within an image, which is MoCo v2's, and w times one between images: the
    positive is a random key of the query's own cluster, with a margin m, the negatives are
    semi-hard, drawn at random among the most similar keys of other clusters:

        −log [exp((z·k⁺ − m) / τ) / (exp((z·k⁺ − m) / τ) + Σ exp(z·k⁻ / τ))]

    Arithmetic and defaults are those of mmselfsup's ``interclr_moco.py``, the authors' code: w =
    0.25, m = −0.5 (below 0: a positive need not come all the way), a pool of 128000 of ImageNet's
    images and 16384 of them drawn, which are shares of the queue here. There, keys come from a
    memory bank of all images; here they are the queue's, and clusters a level of the tree that the
    clustering hook gives. Until it does, the model is MoCo v2. A query without a key of its cluster
    in the queue has no loss between images.

    Labels are the tree's from one clustering to the next, or online, as the paper's: then the
    images of each step go, after it, to the prototype of the level that is nearest to their key.
    There the prototypes are renewed every few steps, too, here by the next clustering.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is an :class:`InfoNCEHead`, whose
            contrast is that within an image and whose temperature both have.
        inter_weight: w, in [0, 1]; 0.25 by default.
        margin: m, in [−2, 2]; −0.5 by default.
        pool_share: Of the queue, in (0, 1], rounded up: the most similar keys of other clusters,
            the pool; 0.1 by default.
        drawn_share: Of the pool, in (0, 1], rounded up; 0.128 by default. 1 is hard sampling.
        level: Of the tree, whose clusters they are, from 0, the finest; 0 by default.
        online: Whether labels are renewed in each step. Off by default.
        **kwargs: Further arguments of :class:`MomentumContrast`.
    """

    def __init__(
        self,
        *args: Any,
        inter_weight: float = 0.25,
        margin: float = -0.5,
        pool_share: float = 0.1,
        drawn_share: float = 0.128,
        level: int = 0,
        online: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0 <= inter_weight <= 1 or not -2 <= margin <= 2:
            raise HCSCError(
                f"inter_weight={inter_weight} of InterCLR must lie in [0, 1], margin={margin} in "
                "[-2, 2]"
            )
        if not 0 < pool_share <= 1 or not 0 < drawn_share <= 1:
            raise HCSCError(
                f"pool_share={pool_share} and drawn_share={drawn_share} of InterCLR must lie in "
                "(0, 1]"
            )
        self.inter_weight = inter_weight
        self.margin = margin
        self.pool_size = math.ceil(pool_share * self.queue_length)
        self.num_drawn = math.ceil(drawn_share * self.pool_size)
        self.level = level
        self.online = online
        self._groups: Tensor | None = None

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Take the clusters of another tree from now on; None goes back to MoCo v2."""
        if hierarchy is not None and not 0 <= self.level < hierarchy.num_levels:
            raise HCSCError(
                f"level={self.level} of InterCLR: the tree has the levels 0 to "
                f"{hierarchy.num_levels - 1}"
            )
        if hierarchy is not None and not hierarchy.is_whole:
            raise HCSCError(
                "InterCLR asks for the clusters of other processes' images, which an "
                "OwnShardSampler leaves to them; set "
                "train_dataloader.sampler=dict(type='DefaultSampler', shuffle=True)"
            )
        super().set_hierarchy(hierarchy)
        known = self.hierarchy
        self._groups = None
        if known is not None:
            self._groups = known.path(torch.arange(known.num_samples))[self.level]

    def resume_state(self) -> dict[str, Any]:
        """Online labels, which are not the tree's any more."""
        return {"groups": self._groups} if self.online and self._groups is not None else {}

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Put them back, if the run still has them and a tree."""
        if self.online and self._groups is not None and "groups" in state:
            self._groups.copy_(state["groups"])

    def take_keys(self, keys: Tensor, images: Tensor) -> None:
        """Give the images of (n, D) new keys, (n,) int64, their nearest prototypes as labels."""
        if self.online and self._groups is not None:
            nearest = keys @ self.hierarchy.prototypes[self.level].to(keys).T  # (n, K)
            self._groups[images] = nearest.argmax(dim=1).to(self._groups)

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """The loss within images, of all views, and that between images, of the query view."""
        losses = super().contrast(queries, key, data_samples)
        if self._groups is None:
            return losses
        own = self._groups[self.images_of(data_samples)]  # (B,)
        of_keys = self.groups_of_keys(self._groups)  # (Q,)
        query = at_least_float32(queries[0])
        keys = self.queue.keys.clone()  # it changes in place before the backward pass
        with full_precision(keys.device):
            similarities = query @ keys.to(query).T  # (B, Q)
        same = own[:, None] == of_keys
        positive = draw_positives(same)
        negative = draw_semi_hard(
            similarities, ~same & (of_keys >= 0), self.pool_size, self.num_drawn
        )
        inter = inter_image_loss(
            similarities, positive, negative, self.head.temperature, self.margin
        )
        within = {name: (1 - self.inter_weight) * value for name, value in losses.items()}
        return {**within, "loss_inter": self.inter_weight * inter}


def draw_positives(same: Tensor) -> tuple[Tensor, Tensor]:
    """(B, Q) bool → (B,) int64, one of the True entries of each row at random, and (B,) bool, False
    where a row has none.
    """
    best, entries = torch.rand(same.shape, device=same.device).masked_fill(~same, -1).max(dim=1)
    return entries, best >= 0


@torch.no_grad()
def draw_semi_hard(
    similarities: Tensor, allowed: Tensor, pool_size: int, number: int
) -> tuple[Tensor, Tensor]:
    """Draw at random among each query's most similar keys.

    Args:
        similarities: (B, Q) to all keys.
        allowed: (B, Q) bool, keys that may be drawn.
        pool_size: Most similar ones that may be drawn, from 1 to Q.
        number: To draw, from 1 to ``pool_size``.

    Returns:
        (B, number) int64 entries, without repetition, and as many bool, False where there are too
        few.
    """
    pool = similarities.masked_fill(~allowed, float("-inf")).topk(pool_size, dim=1)
    score = torch.rand(pool.values.shape, device=similarities.device)
    best, drawn = score.masked_fill(pool.values.isneginf(), -1).topk(number, dim=1)
    return pool.indices.gather(1, drawn), best >= 0


def inter_image_loss(
    similarities: Tensor,
    positive: tuple[Tensor, Tensor],
    negative: tuple[Tensor, Tensor],
    temperature: float,
    margin: float,
) -> Tensor:
    """() mean over the batch; a query without a positive adds 0.

    Args:
        similarities: (B, Q) to all keys.
        positive: (B,) entries and whether there is one, from :func:`draw_positives`.
        negative: (B, n) entries and which count, from :func:`draw_semi_hard`.
        temperature: τ, above 0.
        margin: m, taken from the positives' similarity.
    """
    entries, has_positive = positive
    drawn, is_negative = negative
    of_positive = similarities.gather(1, entries[:, None]).squeeze(1) - margin  # (B,)
    # With no negatives cross entropy is 0, and so is its gradient.
    counts = is_negative & has_positive[:, None]
    of_negative = similarities.gather(1, drawn) / temperature
    return selective_info_nce(of_positive / temperature, of_negative, counts, rejected="absent")
