"""Batch norms that a GPU alone synchronises."""

from __future__ import annotations

from typing import Any

import torch

from .pretrained import configs_of_type


def without_sync_batch_norm(model: Any) -> bool:
    """Have plain batch norms built where there is no GPU: PyTorch synchronises none on CPUs.

    Names of weights stay.

    Args:
        model: Config of a model, changed in place.

    Returns:
        Whether there were synchronised ones.
    """
    if torch.cuda.is_available():
        return False
    norms = list(configs_of_type(model, "SyncBN"))
    for norm in norms:
        norm["type"] = "BN"
    return bool(norms)
