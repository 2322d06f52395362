"""What is to be compared: a file that names data, methods and seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field
from typing import Any

from ..clustering import check_num_prototypes
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
            ``configs/mocov2_r18_digits.py``. Its ``_base_`` is an HCSC config, in whose place the
            data's config comes, or another method's config that stands on one. Values at the top of
            the data's config that it assigns again lead what follows from them there. None: the
            data's config as it is.
        options: Entries to change, as ``--cfg-options``.
        trains: Whether anything is trained; the row 'start' measures the weights at the start.
        yardsticks: Also cluster its features flat, and by Ward's method, that one of up to 8,000
            images.
        chain: So many models after one another, which share the data's epochs evenly, each told of
            the checkpoints before it by ``earlier`` of its config, as MCL's stages. Their features
            are measured beside each other, each of unit length, and no tree of one of them. 1 by
            default.
    """

    config: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    trains: bool = True
    yardsticks: bool = False
    chain: int = 1


@dataclass(frozen=True)
class Grid:
    """Data × methods × seeds.

    Attributes:
        data: Data sets by name.
        methods: Methods by name.
        seeds: Seeds of every cell, each once.
        title: Of the table.
        pairs: The only pairs of data and method, if there are any.
        differences: Pairs of methods of which the table has the difference, seed by seed.
    """

    data: dict[str, DataEntry]
    methods: dict[str, MethodEntry]
    seeds: tuple[int, ...]
    title: str = "Comparison"
    pairs: tuple[tuple[str, str], ...] = ()
    differences: tuple[tuple[str, str], ...] = ()

    def has(self, data: str, method: str) -> bool:
        """Whether the grid has cells of this pair."""
        return not self.pairs or (data, method) in self.pairs


_NAME = re.compile(r"[A-Za-z0-9_.]+")


def read_grid(path: str) -> Grid:
    """Read a grid from a text config with ``data``, ``methods``, ``seeds``, and perhaps ``title``,
    ``pairs`` and ``differences``.

    Raises:
        HCSCError: an entry is missing, misspelt, of another kind, or names a file that does not
            exist.
    """
    cfg = load_config(path).to_dict()
    for name in ("data", "methods", "seeds"):
        if not cfg.get(name):
            raise HCSCError(f"{path} has no {name}; a grid needs data, methods and seeds")
    data, methods = (
        {name: _entry(kind, name, value, path) for name, value in _named(cfg, what, path)}
        for what, kind in (("data", DataEntry), ("methods", MethodEntry))
    )
    return Grid(
        data,
        methods,
        _seeds(cfg["seeds"], path),
        cfg.get("title", "Comparison"),
        _pairs(cfg, "pairs", (data, methods), path),
        _pairs(cfg, "differences", (methods, methods), path),
    )


def _named(cfg: Mapping[str, Any], what: str, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(cfg[what], Mapping):
        raise HCSCError(f"{path}: {what} must be a dict of entries by name")
    for name, value in cfg[what].items():
        if not _NAME.fullmatch(name):
            raise HCSCError(
                f"{path}: {what} has {name!r}; names are of letters, digits, _ and ., as a hyphen "
                "parts them in the names of cells"
            )
        yield name, value


def _seeds(value: Any, path: str) -> tuple[int, ...]:
    seeds = tuple(value) if isinstance(value, (list, tuple)) else (None,)
    if not all(type(seed) is int for seed in seeds) or len(set(seeds)) < len(seeds):
        raise HCSCError(f"{path}: seeds={value!r} must be whole numbers, each once: (0, 1, 2)")
    return seeds


def _pairs(
    cfg: Mapping[str, Any], what: str, kinds: tuple[Mapping, Mapping], path: str
) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in cfg.get(what) or ():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise HCSCError(f"{path}: {what} must be a list of pairs of names, and has {pair!r}")
        if pair[0] not in kinds[0] or pair[1] not in kinds[1]:
            words = "data or method" if what == "pairs" else "method"
            raise HCSCError(f"{path}: {what} has ({pair[0]}, {pair[1]}), and names no such {words}")
        pairs.append((str(pair[0]), str(pair[1])))
    return tuple(pairs)


def _entry(kind: type, name: str, value: Mapping[str, Any] | None, path: str) -> Any:
    if not isinstance(value or {}, Mapping):
        raise HCSCError(f"{path}: {name}={value!r} must be a dict")
    value = {key: tuple(v) if isinstance(v, list) else v for key, v in (value or {}).items()}
    known = kind.__dataclass_fields__
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise HCSCError(f"{path}: {name} has no {unknown[0]!r}; it has {', '.join(known)}")
    missing = [repr(key) for key, one in known.items() if _needed(one) and key not in value]
    if missing:
        raise HCSCError(f"{path}: {name} lacks {', '.join(missing)}")
    entry = kind(**value)
    _check_kinds(entry, f"{path}: {name}")
    if entry.config is not None and not os.path.isfile(entry.config):
        raise HCSCError(f"{path}: {name} names {entry.config}, which does not exist")
    return entry


def _needed(one: Field) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _check_kinds(entry: Any, where: str) -> None:
    for key in ("options", "train", "test", "gallery"):
        value = getattr(entry, key, {})
        if not (isinstance(value, Mapping) or (key == "gallery" and value is None)):
            raise HCSCError(f"{where}: {key}={value!r} must be a dict")
    if isinstance(entry, MethodEntry) and (type(entry.chain) is not int or entry.chain < 1):
        raise HCSCError(f"{where}: chain={entry.chain!r} must be a whole number from 1")
    if isinstance(entry, DataEntry):
        try:
            check_num_prototypes(entry.num_clusters, None)
        except HCSCError as error:
            words = str(error).replace("num_prototypes", "num_clusters")
            raise HCSCError(f"{where}: {words}") from None
