"""What a backbone that is not trained makes of the training images: once, for every clustering."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..datasets import ExtractionView
from ..structures.checkpoint_entry import weights_digest
from ..utils.shard import global_sum

_MOST = 2**28  # float32 numbers that a rank keeps at most: 1 GiB


def most_channels(num_images: int, world_size: int) -> int:
    """Channels of a backbone whose features of all images are kept; of a wider one, none are.

    Args:
        num_images: N, at least 1.
        world_size: Ranks, each of which keeps those of its own images.
    """
    return _MOST // math.ceil(num_images / world_size)


class FrozenFeatures:
    """Features of this rank's images, kept as long as the backbone's weights stay what they are.

    Its parameters, and its buffers: batch norms may count without being trained.
    """

    def __init__(self) -> None:
        self._rows: Tensor | None = None
        self._digest: dict[str, str] | None = None

    def of(self, backbone: nn.Module, extract: Callable[[], Tensor]) -> Tensor:
        """(n, C) float32 on the host, rows of unreadable images NaN; called by all ranks.

        Args:
            backbone: What the features are made by.
            extract: Makes them, for all ranks together.
        """
        digest = weights_digest(backbone.state_dict(prefix="backbone."))
        changed = torch.tensor(float(self._rows is None or digest != self._digest))
        device = next(backbone.parameters()).device  # of the ranks' collectives, too
        if not global_sum(changed.to(device)).item():
            return self._rows
        self._rows, self._digest = extract().cpu(), digest
        return self._rows


class KeptFeatures(Dataset):
    """Features in the place of images: the samples of a view with vectors as their inputs.

    Args:
        rows: (n, C) of the images from ``first`` on; NaN for those that cannot be read.
        first: Number of the first image.
        images: The view that they are of, for the names of images.
    """

    def __init__(self, rows: Tensor, first: int, images: ExtractionView) -> None:
        self._rows, self._first, self._images = rows, first, images
        self._unreadable = torch.isnan(rows[:, 0]).tolist()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = index - self._first
        sample = DataSample(metainfo={"sample_idx": index, "unreadable": self._unreadable[row]})
        return {"inputs": self._rows[row], "data_samples": sample}

    def describe(self, index: int) -> str:
        """As :meth:`ExtractionView.describe`."""
        return self._images.describe(index)
