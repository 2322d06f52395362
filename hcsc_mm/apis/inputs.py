"""What a program may hand over as images: paths, folders, PIL images, arrays, one or many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.file_kinds import EXTENSIONS
from ..datasets.listing import list_images
from ..errors import HCSCError
from ..utils.text import one_line_path

ImageInput = str | os.PathLike | Image.Image | NDArray
_ORDERS = ("rgb", "bgr")


class ListedInputs:
    """Images in the order in which they were given; a source for :class:`ImageView`.

    Args:
        infos: ``img_path`` or ``img`` of each.
        names: What to call each.
    """

    def __init__(self, infos: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
        self._infos = infos
        self.names = list(names)

    def __len__(self) -> int:
        return len(self._infos)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """See :class:`ImageSource`."""
        return {**self._infos[index], "sample_idx": index}


def list_inputs(
    images: ImageInput | Sequence[ImageInput], channel_order: str | None = None
) -> ListedInputs:
    """Make a source of whatever is given.

    Args:
        images: A path of an image, or of a folder, which stands for all images under it in sorted
            order; a PIL image; an array (H, W, 3) or (H, W) uint8, or (B, H, W, 3) for several; or
            a sequence of these.
        channel_order: 'rgb' or 'bgr', of arrays with three channels: what ``numpy.asarray`` makes
            of a PIL image is RGB, what OpenCV and mmcv read is BGR. There is no default: a wrong
            guess would give wrong embeddings and no error.

    Raises:
        HCSCError: nothing is given, a folder holds no image, or an input is of no such kind; names
            its place.
    """
    if channel_order is not None and channel_order not in _ORDERS:
        raise HCSCError(f"channel_order={channel_order!r} is unknown; choose 'rgb' or 'bgr'")
    several = images if isinstance(images, (list, tuple)) else [images]
    infos: list[dict[str, Any]] = []
    names: list[str] = []
    for place, one in enumerate(several):
        if isinstance(one, (str, os.PathLike)):
            paths = _paths(os.path.expanduser(os.fspath(one)))
            infos += [{"img_path": path} for path in paths]
            names += paths
            continue
        arrays = one if isinstance(one, np.ndarray) and one.ndim == 4 else [one]
        infos += [{"img": _pixels(image, place, channel_order)} for image in arrays]
        names += [
            getattr(one, "filename", "") or f"image {len(names) + k}" for k in range(len(arrays))
        ]
    if not infos:
        raise HCSCError("no image is given")
    return ListedInputs(infos, names)


def _paths(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    found = list_images(path, EXTENSIONS)
    if not found:
        raise HCSCError(
            f"no image under {one_line_path(path)}; supported are {', '.join(sorted(EXTENSIONS))}"
        )
    return [os.path.join(path, relative) for relative in found]


def _pixels(image: Any, place: int, channel_order: str | None) -> NDArray:
    """(H, W, 3) uint8 BGR."""
    if isinstance(image, Image.Image):
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    if not isinstance(image, np.ndarray):
        raise HCSCError(
            f"input {place} is a {type(image).__name__}; give a path, a folder, a PIL image or an "
            "array"
        )
    colour = image.ndim == 3 and image.shape[2] == 3
    if image.dtype != np.uint8 or not (colour or image.ndim == 2) or 0 in image.shape:
        raise HCSCError(
            f"input {place} is an array {image.dtype} {image.shape}; images are uint8 (H, W, 3), "
            "or (H, W) for greys"
        )
    if not colour:
        return np.ascontiguousarray(np.repeat(image[..., None], 3, axis=2))
    if channel_order is None:
        raise HCSCError(
            f"input {place} is an array; say channel_order='rgb' (as PIL) or 'bgr' (as OpenCV)"
        )
    return np.ascontiguousarray(image if channel_order == "bgr" else image[..., ::-1])
