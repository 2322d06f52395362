"""The loss of an image's path through the tree, beside the one that a head has anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models.heads import LatentPredictHead
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...structures import PrototypeHierarchy
from ...utils.precision import at_least_float32, full_precision
from .info_nce_head import InfoNCEHead

_EPSILON = 1e-6  # in both logarithms, as in the released code


class DiscriminatesPaths(nn.Module):
    """Semantic path discrimination (HIRL, Xu et al., arXiv 2205.13159), a mix-in for heads.

    A projection of its own for each level makes of an embedding z a vector z^l of unit length, and
    a path (c^0 … c^{L−1}) of prototypes from a leaf to the highest level has the probability

        p(path) = Π_l (1 + z^l·c^l) / 2

    The image's own path is to be likely, and others, whose leaves are drawn, unlikely:

        ½ [−log p(own) − mean over drawn paths other than its own of log(1 − p)]

    The formulas, the ½ and the defaults are taken from the authors' code (hirl-team/HIRL,
    ``pipelines/hirl.py``); the paper's equation numbers are not known here for certain.
    """

    def init_paths(self, channels: int, num_levels: int, num_negative_paths: int) -> None:
        """Make the projections; of a head's ``__init__``, whose arguments these are.

        Raises:
            HCSCError: a number is below 1.
        """
        if num_levels < 1 or num_negative_paths < 1:
            raise HCSCError(
                f"num_levels={num_levels} and num_negative_paths={num_negative_paths} of "
                f"{type(self).__name__} must be at least 1"
            )
        self.num_negative_paths = num_negative_paths
        self.projections = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, channels, bias=False),
                nn.BatchNorm1d(channels),
                nn.ReLU(inplace=True),
                nn.Linear(channels, channels),
            )
            for _ in range(num_levels)
        )

    def check_levels(self, hierarchy: PrototypeHierarchy) -> None:
        """Refuse a tree of another number of levels.

        Raises:
            HCSCError: says which number to set.
        """
        own, given = len(self.projections), hierarchy.num_levels
        if own != given:
            raise HCSCError(
                f"{type(self).__name__} has projections for {own} levels, and the tree has "
                f"{given}; set model.head.num_levels={given}"
            )

    def path_loss(
        self, query: Tensor, hierarchy: PrototypeHierarchy, path: Sequence[Tensor]
    ) -> Tensor:
        """() mean over the batch, float32 or wider.

        Args:
            query: (B, D), as the model gives it, at unit length or not.
            hierarchy: A tree of as many levels as there are projections.
            path: (B,) per level, the images' prototypes: ``hierarchy.path(sample_idx)``.
        """
        scores = []
        for project, prototypes in zip(self.projections, hierarchy.prototypes, strict=True):
            projected = project(query)
            with full_precision(query.device):
                projected = F.normalize(at_least_float32(projected), dim=1)
                scores.append(projected @ prototypes.to(projected).T)  # (B, K_l)
        leaves = torch.randint(
            len(hierarchy.prototypes[0]),
            (len(query), self.num_negative_paths),
            device=query.device,
        )
        others = [leaves]
        for parents in hierarchy.parents:
            others.append(parents[others[-1]].long())
        return path_discrimination(scores, path, others)


@MODELS.register_module()
class PathHead(InfoNCEHead, DiscriminatesPaths):
    """InfoNCE, and :class:`DiscriminatesPaths`: HIRL on MoCo v2.

    The projections take embeddings of unit length; in the authors' code, those before they are
    scaled to it.

    Args:
        channels: D, length of the embedding; the neck's ``out_channels``.
        num_levels: L, of the tree.
        num_negative_paths: Leaves drawn for each image, all equally often and with repetition, at
            least 1; 1000 by default.
        temperature, contrast: Those of the instance loss, as in :class:`InfoNCEHead`.
    """

    def __init__(
        self,
        channels: int,
        num_levels: int = 3,
        num_negative_paths: int = 1000,
        temperature: float = 0.2,
        contrast: dict | nn.Module | None = None,
    ) -> None:
        super().__init__(temperature, contrast)
        self.init_paths(channels, num_levels, num_negative_paths)


@MODELS.register_module()
class LatentPredictPathHead(LatentPredictHead, DiscriminatesPaths):
    """mmpretrain's prediction of one view by the other, and :class:`DiscriminatesPaths`: HIRL on
    SimSiam and BYOL.

    Args:
        channels, num_levels, num_negative_paths: As in :class:`PathHead`.
        *args: Arguments of mmpretrain's ``LatentPredictHead``: the loss and the predictor.
        **kwargs: Further arguments of it.
    """

    def __init__(
        self,
        *args: Any,
        channels: int,
        num_levels: int = 3,
        num_negative_paths: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.init_paths(channels, num_levels, num_negative_paths)


def path_discrimination(
    scores: Sequence[Tensor], own: Sequence[Tensor], others: Sequence[Tensor]
) -> Tensor:
    """() mean over the batch of −½ log p(own) − ½ mean log(1 − p(other)).

    Args:
        scores: (B, K_l) per level, cosine of each image's projection with each prototype.
        own: (B,) int64 per level, the image's path.
        others: (B, n) int64 per level, drawn paths, of which those that are the image's own do not
            count; an image without any other has 0 in the second term.
    """
    likely = _probability(scores, [level[:, None] for level in own]).squeeze(1)  # (B,)
    unlikely = _probability(scores, others)  # (B, n)
    counts = others[0] != own[0][:, None]  # in a tree paths differ where their leaves do
    of_others = (1 - unlikely + _EPSILON).log().mul(counts).sum(dim=1)
    mean = of_others / counts.sum(dim=1).clamp(min=1)
    return -((likely + _EPSILON).log() + mean).mean() / 2


def _probability(scores: Sequence[Tensor], paths: Sequence[Tensor]) -> Tensor:
    """(B, n) of n paths for each image."""
    levels = [(1 + level.gather(1, path)) / 2 for level, path in zip(scores, paths, strict=True)]
    return torch.stack(levels).prod(dim=0)
