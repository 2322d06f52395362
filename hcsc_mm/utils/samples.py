"""How a message calls an image of a data set."""

from __future__ import annotations

from typing import Any

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
