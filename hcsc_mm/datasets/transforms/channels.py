"""Which transforms can take images of other than three channels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import HCSCError
from ...utils.random_states import host_generators_kept
from ...utils.text import first_line
from .load_image import LoadImage, channels_of

_SIDE = 64
_TRIES = 3  # some draw what they do


def check_transforms(pipeline: Any, channels: int) -> None:
    """Refuse a pipeline with a transform that cannot take images of so many channels, or would mix
    them: each is tried on a small image, whatever its probability.

    Args:
        pipeline: ``Compose``, or anything with ``transforms``.
        channels: Number of channels of the images that the loader gives; with 1 they are (H, W).

    Raises:
        HCSCError: one cannot; it is named.
    """
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE]
    image = np.stack(
        [(rows * (k + 1) + columns * 3) % 256 for k in range(channels)], axis=-1
    ).astype(np.uint8)
    image = image[..., 0] if channels == 1 else image
    for transform in steps(pipeline):
        if isinstance(transform, LoadImage):
            continue
        with host_generators_kept():
            why = _mixes(transform, channels) or _fails(transform, image, channels)
        if why is not None:
            raise HCSCError(
                f"{type(transform).__name__} cannot take images of {channels} "
                f"channel{'s' if channels > 1 else ''} ({why}); leave it out of the pipeline, or "
                "load with color_type='color'"
            )


def steps(pipeline: Any) -> Iterator[Any]:
    """The transforms that a pipeline consists of, at any depth, without those that hold others."""
    inner = getattr(pipeline, "transforms", pipeline if isinstance(pipeline, (list, tuple)) else ())
    if hasattr(inner, "transforms"):  # a Compose within a RandomApply
        inner = inner.transforms
    for transform in inner:
        if hasattr(transform, "transforms") or isinstance(transform, (list, tuple)):
            yield from steps(transform)
        else:
            yield transform


def _mixes(transform: Any, channels: int) -> str | None:
    """Pillow takes the last of two or four channels for transparency when it resizes, and weights
    the others with it.
    """
    if getattr(transform, "backend", None) == "pillow" and channels in (2, 4):
        return "backend='pillow' takes the last for transparency; backend='cv2' does not"
    return None


def _fails(transform: Any, image: np.ndarray, channels: int) -> str | None:
    tried = copy.copy(transform)
    if isinstance(getattr(tried, "prob", None), float):
        tried.prob = 1.0
    for _ in range(_TRIES):
        results = {
            "img": image.copy(),
            "img_shape": image.shape[:2],
            "ori_shape": image.shape[:2],
            "img_path": "",
            "sample_idx": 0,
        }
        try:
            results = tried(results)
        except Exception as error:  # noqa: BLE001  each has its own way to say no
            backend = getattr(transform, "backend", None)
            hint = "; try backend='cv2'" if backend == "pillow" else ""
            return f"{type(error).__name__}: {first_line(error)}{hint}"
        left = (results or {}).get("img")
        if isinstance(left, np.ndarray) and channels_of(left) != channels:
            return f"{channels_of(left)} are left"
    return None
