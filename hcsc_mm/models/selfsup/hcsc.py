"""HCSC: momentum contrast whose negatives a tree of prototypes selects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...registry import MODELS
from ...structures import PrototypeHierarchy
from ..selection import kept_shares
from .knows_tree import KnowsTree
from .momentum_contrast import MomentumContrast


@MODELS.register_module()
class HCSC(KnowsTree, MomentumContrast):
    """Hierarchical Contrastive Selective Coding (Guo et al., CVPR 2022).

    Until :meth:`set_hierarchy` gives it a hierarchy, the model is MoCo v2. From then on each step
    finds the images' prototypes at every level, draws the negatives that are kept, and adds the
    losses of instances and prototypes.

    Args:
        *args: Arguments of :class:`MomentumContrast`; the head is a :class:`HCSCHead`.
        selection: Config or module of the rule that selects negatives. A config without a type is
            of :class:`ClusterSelection`, whose defaults, the released code's, are the default.
        **kwargs: Further arguments of :class:`MomentumContrast`.
    """

    def __init__(self, *args: Any, selection: dict | nn.Module | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if selection is None or isinstance(selection, dict):
            selection = MODELS.build({"type": "hcsc_mm.ClusterSelection", **(selection or {})})
        self.selection = selection
        self.register_load_state_dict_post_hook(_select_by_loaded_keys)

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of instances and prototypes, and the shares of negatives kept, for the log."""
        if self.hierarchy is None:
            return super().contrast(queries, key, data_samples)
        path = self.hierarchy.path([sample.sample_idx for sample in data_samples])
        draws = self.selection.draw(self.queue.keys, path, len(queries))
        losses = self.head.loss(queries, key, self.queue.keys, self.hierarchy, path, draws)
        return {**losses, **kept_shares(draws[0])}

    def enqueue(self, keys: Tensor) -> None:
        """Keep (B_total, D) keys, and what selection has to know of them."""
        slots = self.queue.enqueue(keys)
        self.selection.renew(slots, self.queue.keys[slots])

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """What the model trains with; None during warm-up."""
        return self.selection.hierarchy

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Train with this hierarchy from now on; None goes back to MoCo v2."""
        keys = self.queue.keys
        self.selection.set_hierarchy(None if hierarchy is None else hierarchy.to(keys.device), keys)

    def keep_shares(self) -> dict[str, float]:
        """Mean probability of keeping a negative, per level, for the log."""
        return self.selection.keep_shares()


def _select_by_loaded_keys(model: HCSC, _: Any) -> None:
    """Keys loaded from a checkpoint are other keys: what was known of the old ones is wrong."""
    model.set_hierarchy(model.hierarchy)


def find_hcsc(model: nn.Module) -> HCSC | None:
    """The HCSC model inside whatever wraps it; None if there is none."""
    return next((module for module in model.modules() if isinstance(module, HCSC)), None)
