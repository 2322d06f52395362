"""Are images what a data preprocessor takes them for?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...errors import HCSCError


def check_not_normalized(inputs: Tensor | Sequence[Tensor], preprocessor: nn.Module) -> None:
    """Refuse images that are normalised before a data preprocessor that does it, too.

    Args:
        inputs: Images, or views of them, as the pipeline gives them.
        preprocessor: With ``mean`` where it normalises; means above 1 are for values up to 255.

    Raises:
        HCSCError: the images' values are below 0, or all within 0 and 1.
    """
    mean = getattr(preprocessor, "mean", None)
    views = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    floating = [view for view in views if torch.is_tensor(view) and view.is_floating_point()]
    if mean is None or not floating or float(torch.as_tensor(mean).max()) <= 1:
        return
    low = min(float(view.min()) for view in floating)
    high = max(float(view.max()) for view in floating)
    if low < 0 or high <= 1:
        raise HCSCError(
            f"the training pipeline gives values from {low:.3g} to {high:.3g}, and "
            "model.data_preprocessor normalises values from 0 to 255; leave Normalize and scaling "
            "out of the pipeline, or mean and std out of the data_preprocessor"
        )
