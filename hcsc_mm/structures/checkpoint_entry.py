"""The clusters in a checkpoint: how they are put there, and found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .prototype_hierarchy import PrototypeHierarchy

CHECKPOINT_KEY = "hierarchical_clustering"


def clustering_entry(
    hierarchy: PrototypeHierarchy | None,
    identity: Mapping[str, Any],
    *,
    epoch: int,
    bank: Tensor | None,
) -> dict[str, Any]:
    """What a checkpoint holds under :data:`CHECKPOINT_KEY`: tensors and plain values.

    Args:
        hierarchy: What the model trains with; None during warm-up.
        identity: 'num_samples' and 'images', the fingerprint of the training set.
        epoch: The last epoch that it was built for.
        bank: (N, D) latest keys, within an epoch that collects them.
    """
    state = None if hierarchy is None else hierarchy.to("cpu").state_dict()
    return {**identity, "epoch": epoch, "bank": bank, "hierarchy": state}


def saved_clustering(checkpoint: Any) -> dict[str, Any] | None:
    """The entry of a loaded checkpoint, if it has one with a tree of prototypes.

    Entries of methods that cluster otherwise (PCL's independent levels) are no tree, and None.
    """
    entry = checkpoint.get(CHECKPOINT_KEY) if isinstance(checkpoint, Mapping) else None
    if entry is None or entry["hierarchy"] is None or "parents" not in entry["hierarchy"]:
        return None
    return entry
