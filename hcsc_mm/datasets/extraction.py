"""The training images again, one centre crop each, in order."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from mmengine.dataset import BaseDataset, Compose
from mmpretrain.registry import TRANSFORMS
from torch.utils.data import Dataset

from ..errors import HCSCError


class ExtractionView(Dataset):
    """A data set's own samples under another pipeline, each exactly once.

    It shares the file list with the data set, so that it cannot list other files.

    Args:
        dataset: The training set.
        pipeline: Transforms from loading to packing, without randomness.
    """

    def __init__(self, dataset: BaseDataset, pipeline: Sequence[dict]) -> None:
        self.dataset = copy(dataset)
        # mmpretrain's registry, whatever the default scope of the moment
        self.dataset.pipeline = Compose([TRANSFORMS.build(transform) for transform in pipeline])

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        """The sample. One whose image is skipped comes with a neighbour's pixels and ``unreadable`` set."""
        for step in range(len(self)):
            packed = self.dataset.prepare_data((index + step) % len(self))
            if packed is not None:
                packed["data_samples"].set_field(index, "sample_idx", field_type="metainfo")
                packed["data_samples"].set_field(step > 0, "unreadable", field_type="metainfo")
                return packed
        raise HCSCError("no image of the data set can be read")

    def describe(self, index: int) -> str:
        """'sample 17 (path)', for messages."""
        path = self.dataset.get_data_info(index).get("img_path")
        return f"sample {index}" + (f" ({path})" if path else "")
