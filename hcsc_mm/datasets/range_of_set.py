"""What a sample of a data set's files says about all of them, before any work is done on them: the
range of their values, their channels, their pages.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..errors import HCSCError
from .transforms.channels import check_transforms, steps
from .transforms.load_image import LoadImage, channels_of
from .transforms.pictures import deep_values, number_of_pictures
from .transforms.values import usual_white

_LOOKED_AT = 64
_MOST_PIXELS = 300_000_000  # of deep images: a few seconds
_DARK = 4  # times below white: 14 bits or fewer of 16
_CLIPPED = 0.01


@dataclass(frozen=True)
class Look:
    """What was found in a sample.

    Attributes:
        number: Files that were looked at and could be read.
        deep: How many of them have more than 8 bits and do not say what white is.
        kind: What kind of values the images have, such as '16-bit'.
        largest, smallest: Value in them; 0 without any.
        white: What the loader takes for white in them; None where it reads none of them.
        clipped: Share of their pixels above that.
        pages: How many files hold several pictures.
        channels: Number of channels → files, for ``color_type='unchanged'``.
    """

    number: int
    deep: int = 0
    kind: str = ""
    largest: float = 0
    smallest: float = 0
    white: float | None = None
    clipped: float = 0
    pages: int = 0
    channels: Counter | None = None


def settle(dataset: BaseDataset, pipeline: Any) -> None:
    """Let every :class:`LoadImage` of a pipeline know what the files of a data set are like, and
    warn of what would come out of it unlike the files.

    The sample is the same on all ranks and after a resume: it follows from the list of files.

    Args:
        dataset: Its samples have ``img_path``; nothing is done for others.
        pipeline: ``Compose``, or anything with ``transforms``; its loaders are changed in place.

    Raises:
        HCSCError: the files differ in their channels, or a transform cannot take them.
    """
    for load in loaders(pipeline):
        if load.backend_args is None:
            load.backend_args = getattr(dataset, "backend_args", None)
        if not len(dataset) or dataset.get_data_info(0).get("img_path") is None:
            continue
        if load.white == "auto":
            load.white = _white_found(_look(dataset, load), len(dataset))
        look = _look(dataset, load)
        _warn_of_range(look, load, len(dataset))
        if look.pages:
            print_log(
                f"{look.pages} of {look.number} images looked at hold several pages or frames, of "
                "which the first is taken",
                "current",
            )
        if load.color_type == "unchanged" and look.channels:
            load.channels = _one_number_of_channels(look)
        if load.color_type != "color" and number_of_channels(load) is not None:
            check_transforms(pipeline, number_of_channels(load))


def loaders(pipeline: Any) -> Iterator[LoadImage]:
    """Every :class:`LoadImage` in a pipeline, at any depth."""
    return (step for step in steps(pipeline) if isinstance(step, LoadImage))


def number_of_channels(load: LoadImage) -> int | None:
    """Of the images that a loader gives; None where it is not known."""
    if load.color_type == "unchanged":
        return load.channels
    return 1 if load.color_type.startswith("grayscale") else 3


def check_same_loading(one: Any, other: Any, roles: tuple[str, str]) -> None:
    """Refuse two pipelines that would make different pictures of the same files.

    Args:
        one, other: Pipelines whose loaders are settled; one without a loader agrees with all.
        roles: What they are, for the message.

    Raises:
        HCSCError: their loaders differ in what makes pixels.
    """
    for first, second in zip(loaders(one), loaders(other), strict=False):
        for name in ("color_type", "white", "channels"):
            values = getattr(first, name), getattr(second, name)
            if values[0] != values[1]:
                raise HCSCError(
                    f"LoadImage has {name}={values[0]!r} for {roles[0]} and {values[1]!r} for "
                    f"{roles[1]}, which makes other pictures; give both the same"
                )


def _look(dataset: BaseDataset, load: LoadImage) -> Look:
    """Once for a data set and its copies, for each kind of loader."""
    known = dataset.__dict__.setdefault("_looks", {})
    key = (load.white, load.color_type, load.imdecode_backend)
    if key not in known:
        known[key] = _look_at(dataset, load)
    return known[key]


def _look_at(dataset: BaseDataset, load: LoadImage) -> Look:
    white = None if load.white == "auto" else load.white
    number = pages = pixels = above = 0
    deep, tops, kinds, channels = [], [], Counter(), Counter()
    for path in _sample(dataset):
        try:
            content = load.content(path)
            values = deep_values(content, load.max_pixels, load.max_aspect)
            if load.color_type == "unchanged" and load.white != "auto":
                channels[channels_of(load.decode(content))] += 1
        except Exception:  # noqa: BLE001  the loader says so when it comes to this image
            continue
        number += 1
        pages += load.imdecode_backend != "tifffile" and number_of_pictures(content) > 1
        if values is None or values.white is not None:
            continue
        array = values.array
        if array.ndim == 3 and array.shape[2] == 4 and load.color_type != "unchanged":
            array = array[..., :3]  # without transparency
        finite = array[np.isfinite(array)]
        if not finite.size:
            continue
        deep.append((float(finite.min()), float(finite.max())))
        kinds[values.kind] += 1
        top = values.white_by(white)
        tops.append(top)
        above += 0 if top is None else int((finite > top).sum())
        pixels += finite.size
        if pixels > _MOST_PIXELS:
            break
    known_tops = [top for top in tops if top is not None]
    return Look(
        number,
        deep=len(deep),
        kind=kinds.most_common(1)[0][0] if kinds else "",
        largest=max((top for _, top in deep), default=0.0),
        smallest=min((low for low, _ in deep), default=0.0),
        white=max(known_tops, default=None),
        clipped=above / pixels if pixels else 0.0,
        pages=pages,
        channels=channels,
    )


def _sample(dataset: BaseDataset) -> list[str]:
    """Paths from all over the data set, in a fixed random order, so that a part is a sample,
    too.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, _LOOKED_AT).round().astype(int)).tolist()
    random.Random(0).shuffle(rows)
    return [dataset.get_data_info(row)["img_path"] for row in rows]


def _white_found(look: Look, total: int) -> float | None:
    if not look.number:
        raise HCSCError(
            "white='auto' of LoadImage finds none of the images looked at readable; see whether "
            "their folder is still there"
        )
    if not look.deep:
        return None
    white = usual_white(look.largest)
    print_log(
        f"white='auto' of LoadImage: {white:g}; the largest value of {look.deep} {look.kind} "
        f"images, of {total} in all, is {look.largest:g}",
        "current",
    )
    return white


def _warn_of_range(look: Look, load: LoadImage, total: int) -> None:
    if not look.deep:
        return
    seen = f"of {look.deep} {look.kind} images looked at, of {total} in all,"
    white = load.white if load.white is not None else look.white
    if look.smallest < 0:
        _warn(f"{seen} some have values down to {look.smallest:g}: below 0 all becomes black")
    if white is None:
        return
    if look.largest * _DARK < white:
        _warn(
            f"{seen} none has a value above {look.largest:g}, and white is {white:g}: they come "
            f"out dark, in {max(1, int(256 * look.largest / white))} of 256 levels; set "
            f"white={usual_white(look.largest):g} or white='auto' in every LoadImage of the config"
        )
    elif look.clipped > _CLIPPED:
        _warn(
            f"{seen} {look.clipped:.1%} of the pixels lie above white={white:g} and become white, "
            f"the largest is {look.largest:g}; set white={usual_white(look.largest):g} or "
            "white='auto' in every LoadImage of the config"
        )


def _warn(message: str) -> None:
    print_log(message, "current", level=30)


def _one_number_of_channels(look: Look) -> int:
    if len(look.channels) > 1:
        found = ", ".join(f"{count} with {number}" for number, count in look.channels.items())
        raise HCSCError(
            f"the images looked at differ in their channels ({found}); load them with "
            "color_type='color', or take out those that differ"
        )
    return next(iter(look.channels))
