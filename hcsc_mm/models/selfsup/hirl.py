"""HIRL: momentum contrast, and the path of each image through the tree of its clusters."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from ...registry import MODELS
from ...structures import PrototypeHierarchy
from .knows_tree import KnowsTree
from .named_keys import NamedKeys


class LearnsPaths(KnowsTree):
    """Hierarchical Image Representation Learning (Xu et al., arXiv 2205.13159), a mix-in.

    What is alike in detail is learnt by the model's own loss, and coarser meanings by projections
    of the embedding, one for each level of the tree: an image's own path is told from drawn ones.
    Until the clustering hook gives the tree, which is HCSC's, the model is itself alone. The path
    loss is of the first view, and both losses count fully, as in the authors' code.

    Its head is a :class:`DiscriminatesPaths`. Before there is a tree the projections have no
    gradient: runs of several processes need ``find_unused_parameters = True`` in the config, as in
    ``hirl_r18_digits.py``.
    """

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Take another tree from now on; None goes back to the model's own loss."""
        if hierarchy is not None:
            self.head.check_levels(hierarchy)
        super().set_hierarchy(hierarchy)

    def with_paths(
        self, losses: dict[str, Tensor], query: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """The losses, and 'loss_path' of (B, D) embeddings of the first view, with a tree."""
        if self.hierarchy is None:
            return losses
        path = self.hierarchy.path(self.images_of(data_samples))
        return {**losses, "loss_path": self.head.path_loss(query, self.hierarchy, path)}


@MODELS.register_module()
class HIRL(LearnsPaths, NamedKeys):
    """HIRL on MoCo v2, see :class:`LearnsPaths`; the tree is of embeddings of the key encoder.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is a :class:`PathHead`.
        **kwargs: Further arguments of it.
    """

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """MoCo's loss of all views, and the path loss of the query view."""
        losses = super().contrast(queries, key, data_samples)
        return self.with_paths(losses, queries[0], data_samples)
