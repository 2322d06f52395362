"""Products of many rows with many rows: what clustering and selection consist of."""

from __future__ import annotations

import torch
from torch import Tensor

_ONEDNN = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)


@torch.no_grad()
def inner_products(rows: Tensor, others: Tensor, bias: Tensor | None = None) -> Tensor:
    """rows · othersᵀ (+ bias), in the rows' dtype and without gradient.

    On a CPU the product of two float32 matrices goes through oneDNN, by the operator that torch's
    compiler uses. ``rows @ others.T`` goes through MKL, which leaves the wide registers of AMD
    processors unused: 2.2 times as long for 128 numbers against 3000 rows. Where a build of torch
    has no oneDNN or does not have that operator, the plain product is taken: the same numbers, only
    later.

    Args:
        rows: (n, D) float.
        others: (K, D) float.
        bias: (K,), added to every row of the result.

    Returns:
        (n, K).
    """
    if (
        _ONEDNN is not None
        and rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and len(rows)
        and len(others)
    ):
        return _ONEDNN(rows, others, bias, "none", [], "")
    product = rows @ others.T
    return product if bias is None else product.add_(bias)
