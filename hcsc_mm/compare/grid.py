"""What is to be compared: a file that names data, methods and seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import HCSCError
from ..runtime.launch import load_config


@dataclass(frozen=True)
class DataEntry:
    """A data set of the grid.

    Attributes:
        config: Path of an HCSC pre-training config: data, network, augmentations, schedule.
        train: Config of the labelled training images; its pipeline is the clustering hook's.
        test: Config of the labelled images that are held out.
        options: Entries of the pre-training config to change, as ``--cfg-options``.
        num_clusters: K of each level at which trees are scored, finest first, decreasing.
        k: Neighbours of the kNN accuracy.
        gallery: Config of the labelled images among which kNN looks for neighbours; by default
            those of ``train``. For test images of classes that ``train`` does not have.
        projection: Measure the backbone's output and the projection's beside each other, each of
            unit length: for backbones that stay as they are, whose own output no method changes.
        linear: Also measure a linear classifier; its classes are those of ``train``.
        checkpoint: Weights that every method starts from; None: from scratch.
        note: A few words for the table.
    """

    config: str
    train: dict[str, Any]
    test: dict[str, Any]
    num_clusters: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    k: int = 20
    gallery: dict[str, Any] | None = None
    projection: bool = False
    linear: bool = False
    checkpoint: str | None = None
    note: str = ""


@dataclass(frozen=True)
class MethodEntry:
    """A method of the grid.

    Attributes:
        config: Path of a config that turns an HCSC config into this method, such as
            ``configs/mocov2_r18_digits.py``: its ``_base_`` is replaced by the data's config. None:
            the data's config as it is.
        options: Entries to change, as ``--cfg-options``.
        trains: Whether anything is trained; the row 'start' measures the weights at the start.
        yardsticks: Also cluster its features flat, and by Ward's method, that one of up to 8,000
            images.
    """

    config: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    trains: bool = True
    yardsticks: bool = False


@dataclass(frozen=True)
class Grid:
    """Data × methods × seeds; only the pairs in ``pairs``, if there are any."""

    data: dict[str, DataEntry]
    methods: dict[str, MethodEntry]
    seeds: tuple[int, ...]
    title: str = "Comparison"
    pairs: tuple[tuple[str, str], ...] = ()


def read_grid(path: str) -> Grid:
    """Read a grid from a text config with ``data``, ``methods``, ``seeds``, perhaps ``pairs``.

    Raises:
        HCSCError: an entry is missing, misspelt, or names a file that does not exist.
    """
    cfg = load_config(path).to_dict()
    for name in ("data", "methods", "seeds"):
        if not cfg.get(name):
            raise HCSCError(f"{path} has no {name}; a grid needs data, methods and seeds")
    data = {name: _entry(DataEntry, name, value, path) for name, value in cfg["data"].items()}
    methods = {name: _entry(MethodEntry, name, v, path) for name, v in cfg["methods"].items()}
    pairs = tuple((str(one), str(other)) for one, other in cfg.get("pairs", ()))
    for one, other in pairs:
        if one not in data or other not in methods:
            raise HCSCError(f"{path}: pairs has ({one}, {other}), and names no such data or method")
    seeds = tuple(cfg["seeds"])
    return Grid(data, methods, seeds, cfg.get("title", "Comparison"), pairs)


def _entry(kind: type, name: str, value: Mapping[str, Any] | None, path: str) -> Any:
    value = {key: tuple(v) if isinstance(v, list) else v for key, v in (value or {}).items()}
    known = kind.__dataclass_fields__
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise HCSCError(f"{path}: {name} has no {unknown[0]!r}; it has {', '.join(known)}")
    try:
        entry = kind(**value)
    except TypeError as error:
        raise HCSCError(f"{path}: {name}: {error}") from None
    if entry.config is not None and not os.path.isfile(entry.config):
        raise HCSCError(f"{path}: {name} names {entry.config}, which does not exist")
    checkpoint = getattr(entry, "checkpoint", None)
    if checkpoint is not None and not os.path.isfile(checkpoint):
        raise HCSCError(f"{path}: {name} starts from {checkpoint}, which does not exist")
    return entry
