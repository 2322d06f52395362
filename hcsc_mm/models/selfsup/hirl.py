"""HIRL: momentum contrast, and the path of each image through the tree of its clusters."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from ...registry import MODELS
from ...structures import PrototypeHierarchy
from .named_keys import NamedKeys


@MODELS.register_module()
class HIRL(NamedKeys):
    """Hierarchical Image Representation Learning (Xu et al., arXiv 2205.13159) on MoCo v2.

    What is alike in detail is learnt by MoCo's loss, and coarser meanings by projections of the
    embedding, one for each level of the tree: an image's own path is told from drawn ones. The tree
    is HCSC's, of embeddings of the key encoder; until the clustering hook gives it, the model is
    MoCo v2. The path loss is of the query view alone, and both losses count fully.

    Before there is a tree the projections have no gradient: runs of several processes need
    ``find_unused_parameters = True`` in the config, as in ``hirl_r18_digits.py``.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is a :class:`PathHead`.
        **kwargs: Further arguments of it.
    """

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Take another tree from now on; None goes back to MoCo v2."""
        if hierarchy is not None:
            self.head.check_levels(hierarchy)
        super().set_hierarchy(hierarchy)

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """MoCo's loss of all views, and the path loss of the query view."""
        losses = super().contrast(queries, key, data_samples)
        if self.hierarchy is None:
            return losses
        path = self.hierarchy.path(self.images_of(data_samples))
        return {**losses, "loss_path": self.head.path_loss(queries[0], self.hierarchy, path)}
