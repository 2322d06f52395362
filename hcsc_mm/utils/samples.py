"""How a message calls an image of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import HCSCError
from .text import one_line_path


def name_sample(dataset: Any, index: int) -> str:
    """'17 (photos/cat.jpg)'; without a path where the data set knows none.

    Args:
        dataset: With mmengine's ``get_data_info``, or any other.
        index: ``sample_idx`` of the image, from 0.
    """
    path = sample_path(dataset, index)
    return str(int(index)) if path is None else f"{int(index)} ({path})"


def sample_path(dataset: Any, index: int) -> str | None:
    """The image's path, escaped for one line; None where the data set knows none."""
    if not hasattr(dataset, "get_data_info"):
        return None
    path = dataset.get_data_info(int(index)).get("img_path")
    return one_line_path(path) if path else None


def check_numbered(samples: Sequence[Any], what: str) -> None:
    """Refuse samples that do not say which image they are.

    Args:
        samples: ``data_samples`` of a batch.
        what: Who gave them, such as 'the training pipeline'.

    Raises:
        HCSCError: one has no ``sample_idx``.
    """
    if not all("sample_idx" in sample for sample in samples):
        raise HCSCError(
            f"the samples of {what} have no sample_idx, by which clusters and images are brought "
            "together; add 'sample_idx' to meta_keys of PackInputs, or leave meta_keys out"
        )
