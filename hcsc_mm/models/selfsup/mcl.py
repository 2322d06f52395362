"""MCL: a stage learns what the stages before it did not tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpretrain.structures import DataSample
from torch import Tensor

from ...registry import MODELS
from .named_keys import NamedKeys


@MODELS.register_module()
class MCL(NamedKeys):
    """Multistage contrastive learning (Zhang et al., "Learning the Unlearned", ECCV 2024).

    The first stage is MoCo v2. Each next one is another model, trained on the same images, whose
    negatives all lie in the query's own group: the images that every earlier stage put into one
    cluster with it. What told the clusters apart helps no more, and other features are learnt.
    Afterwards the features of all stages stand side by side.

    The groups are those of the released code (MajorDavidZhang/MCL, ``cluster.py``), the combination
    of one clustering per earlier stage; there they are k-means of 10 clusters by default, here a
    level of each earlier checkpoint's tree. There a batch is drawn from one group, here negatives
    are the keys of the queue that are of the group: a query without any has no loss.
    :class:`EarlierStagesHook` sets the groups; without it the model stays MoCo v2. A tree of its
    own has no effect on its training: the clustering hook, with ``warmup_epochs`` one less than the
    run has, leaves that of the final weights in the last checkpoint for the stages after it.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is an :class:`InfoNCEHead`, with any
            contrast.
        **kwargs: Further arguments of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._groups: Tensor | None = None

    def set_earlier_groups(self, groups: Tensor | None) -> None:
        """Take (N,) int64 groups of the training images; None goes back to MoCo v2."""
        self._groups = None if groups is None else groups.to(self.key_images.device)

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """MoCo's loss against the keys of each query's group, and their share, for the log."""
        if self._groups is None:
            return super().contrast(queries, key, data_samples)
        own = self._groups[self.images_of(data_samples)]  # (B,)
        keep = own[:, None] == self.groups_of_keys(self._groups)  # (B, Q)
        losses = self.head.loss(queries, key, self.queue.keys, keep)
        return {**losses, "kept_instances": keep.count_nonzero() / keep.numel()}
