"""The training images again, one centre crop each, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from random import Random

from mmengine.dataset import BaseDataset, Compose
from mmpretrain.registry import TRANSFORMS
from torch.utils.data import Dataset

from ..errors import HCSCError
from ..utils.samples import name_sample
from .range_of_set import check_same_loading, loaders, settle

_MOST_CANDIDATES = 100  # that all of them are unreadable is no chance if most images can be read


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
        settle(self.dataset, self.dataset.pipeline)
        roles = ("training", "extraction and clustering")
        check_same_loading(dataset.pipeline, self.dataset.pipeline, roles)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def white(self) -> float | None:
        """What its loader takes for white, see :class:`LoadImage`; 'auto' has become a number."""
        return next((load.white for load in loaders(self.dataset.pipeline)), None)

    def __getitem__(self, index: int) -> dict:
        """The sample.

        One whose image is skipped comes with another's pixels, its neighbour's if possible, and
        ``unreadable`` set.
        """
        tried: set[int] = set()
        for candidate in self._candidates(index):
            tried.add(candidate)
            packed = self.dataset.prepare_data(candidate)
            if packed is not None:
                packed["data_samples"].set_field(index, "sample_idx", field_type="metainfo")
                packed["data_samples"].set_field(
                    candidate != index, "unreadable", field_type="metainfo"
                )
                return packed
        if len(tried) == len(self):
            raise HCSCError("no image of the data set can be read")
        raise HCSCError(
            f"{len(tried)} images from all over the data set cannot be read, the first is "
            f"{self.describe(index)}; see whether its folder is still there"
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """The image, its neighbour, and if a whole folder is lost, some from anywhere."""
        yield index
        yield (index + 1) % len(self)
        yield from Random(index).sample(range(len(self)), min(len(self), _MOST_CANDIDATES))

    def describe(self, index: int) -> str:
        """'sample 17 (path)', for messages."""
        return f"sample {name_sample(self.dataset, index)}"
