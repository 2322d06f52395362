"""CACR: far positives attract more, near negatives repel more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...utils.precision import full_precision
from .pairs import Pairs


@MODELS.register_module()
class AttractionAndRepulsion(nn.Module):
    """Contrastive attraction and contrastive repulsion (CACR, Zheng et al.), Euclidean costs.

    With c(x, y) = ‖x − y‖², an image's V views q_v, their key k and the negatives k_j:

        attraction = Σ_v π⁺_v c(q_v, k),   π⁺ = softmax_v(t⁺ c(q_v, k)): the farthest view most
        repulsion  = −Σ_j π⁻_j c(q, k_j),  π⁻ = softmax_j(−t⁻ c(q, k_j)): the nearest most

    The weights are part of what is differentiated, as in the released code for small images
    (JegZheng/CACR-SSL, ``small_scale_experiments``), whose t⁺ = t⁻ = 1 are the defaults. Two things
    are others here: an image's positives are the views against one key, the negatives those of the
    queue; and a view's attraction is scaled by V, so that each view's loss is as large as with one
    view, whose weight is 1. With two crops the attraction is thus the plain distance. The released
    code for ImageNet, on MoCo v3, stops the gradient of the weights and uses an RBF cost by
    default, which is not offered. The paper's equation numbers are not known here.

    What HCSC's draw rejects repels nothing: the head's rule must be ``rejected="absent"``. The
    temperature of the head has no effect.

    Args:
        attraction_scale: t⁺, at least 0; 1 by default. 0 weighs all views alike.
        repulsion_scale: t⁻, at least 0; 1 by default. 0 weighs all negatives alike; the larger, the
            more the nearest count.
    """

    rejected_rules = ("absent",)

    def __init__(self, attraction_scale: float = 1.0, repulsion_scale: float = 1.0) -> None:
        super().__init__()
        if attraction_scale < 0 or repulsion_scale < 0:
            raise HCSCError(
                f"attraction_scale={attraction_scale} and repulsion_scale={repulsion_scale} of "
                "AttractionAndRepulsion must be at least 0"
            )
        self.attraction_scale = attraction_scale
        self.repulsion_scale = repulsion_scale

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch."""
        return (self._attraction(pairs) - self._repelled(pairs)).mean()

    def _attraction(self, pairs: Pairs) -> Tensor:
        """(B,) V π⁺_v c(q_v, k) of this view v."""
        with full_precision(pairs.key.device):
            of_views = distances(torch.einsum("vbd,bd->vb", pairs.views, pairs.key))  # (V, B)
        weights = (self.attraction_scale * of_views).softmax(dim=0)
        return len(weights) * (weights * of_views)[pairs.view]

    def _repelled(self, pairs: Pairs) -> Tensor:
        """(B,) Σ_j π⁻_j c(q, k_j), 0 for a query that keeps no negative."""
        of_keys = distances(pairs.negative * pairs.temperature)  # (B, Q)
        scores = -self.repulsion_scale * of_keys
        if pairs.keep is None:
            return (scores.softmax(dim=1) * of_keys).sum(dim=1)
        # A row without any is finite all the same, and its weights are taken out after.
        weights = scores.masked_fill(~pairs.keep, torch.finfo(scores.dtype).min).softmax(dim=1)
        return (weights * pairs.keep * of_keys).sum(dim=1)


def distances(similarities: Tensor) -> Tensor:
    """‖x − y‖² = 2 − 2 x·y of vectors of unit length."""
    return 2 - 2 * similarities
