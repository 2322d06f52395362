"""Images of any source, prepared for a network, and why some of them cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import TRANSFORMS
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..datasets import LoadImage
from ..datasets.range_of_set import settle
from ..datasets.transforms.decode import UnreadableImageError
from ..errors import HCSCError
from ..runtime.worker_seed import seed_worker

# Side of the small grey picture that near-duplicates are told by.
SIGNATURE_SIDE = 16


class ImageSource(Protocol):
    """Images by number, as mmengine's data sets have them."""

    def __len__(self) -> int: ...

    def get_data_info(self, index: int) -> dict[str, Any]:
        """A dict of its own with ``img_path``, or with ``img``, (H, W, 3) uint8 BGR."""


class ImageBatch(NamedTuple):
    """B images of a source.

    Attributes:
        images: (B, 3, H, W), as the pipeline makes them.
        signatures: (B, 256) uint8: all of the image, shrunk to 16 × 16 grey pixels.
        rows: Their numbers in the source.
        reasons: Why an image cannot be read, whose pixels are then of no meaning; '' for the
            others.
    """

    images: Tensor
    signatures: NDArray
    rows: list[int]
    reasons: list[str]


class ImageView(Dataset):
    """A source under a pipeline.

    Args:
        source: Where the images lie; it reads them.
        pipeline: Configs of transforms, the first of them ``hcsc_mm.LoadImage``.
    """

    def __init__(self, source: ImageSource, pipeline: Sequence[dict]) -> None:
        self.source = source
        load, *rest = (TRANSFORMS.build(dict(transform)) for transform in pipeline)
        find_white(load, source)
        self._load, self._prepare = load, Compose(rest)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> tuple[Tensor, NDArray, int, str]:
        """Image, signature, row and reason."""
        why = ""
        try:
            loaded = self._load.load(self.source.get_data_info(row))
        except UnreadableImageError as error:
            blank = np.zeros((64, 64, 3), dtype=np.uint8)
            loaded, why = self._load.load({"img": blank, "sample_idx": row}), str(error)
        small = signature(loaded["img"])
        image = self._prepare(loaded)["inputs"]
        if not isinstance(image, Tensor):
            raise HCSCError("the pipeline must end with PackInputs, and give one view of an image")
        return image, small, row, why


def find_white(load: LoadImage, source: ImageSource) -> None:
    """Of a loader with ``white='auto'``, in the files of the source; pictures in memory have 8
    bits.
    """
    if load.white != "auto":
        return
    files = all("img_path" in source.get_data_info(row) for row in range(len(source)))
    if files:
        settle(source, Compose([load]))
    else:
        load.white = None


def signature(image: NDArray) -> NDArray:
    """(256,) uint8 grey values of an (H, W, 3) BGR image shrunk to 16 × 16.

    Recompressing and resizing leave them nearly as they are, and flipping flips them.
    """
    side = (SIGNATURE_SIDE, SIGNATURE_SIDE)
    small = cv2.resize(image, side, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small @ np.float32([0.114, 0.587, 0.299])
    return np.rint(grey).clip(0, 255).astype(np.uint8).reshape(-1)


def iterate(view: ImageView, batches: Sequence[Sequence[int]], num_workers: int) -> DataLoader:
    """A loader of :class:`ImageBatch`.

    Args:
        view: Describes the images that the data set gives.
        batches: The rows of each.
        num_workers: Processes that load; 0: this one.
    """
    return DataLoader(
        view,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate,
        worker_init_fn=seed_worker if num_workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _collate(samples: list[tuple[Tensor, NDArray, int, str]]) -> ImageBatch:
    images, signatures, rows, reasons = zip(*samples, strict=True)
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise HCSCError(
            f"the pipeline gives images of several sizes, such as {min(shapes)} and {max(shapes)}; "
            "end it with a crop of one size"
        )
    return ImageBatch(torch.stack(images), np.stack(signatures), list(rows), list(reasons))


def in_batches(rows: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    """Consecutive pieces of at most ``batch_size``."""
    return (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
