"""The data sets of configs, without their pipelines: for questions before the work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS

from ..datasets.fingerprint import fingerprint
from ..datasets.tar_images import TarImages
from .prepare import is_downloaded, missing_data

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


class DataSets:
    """Data sets of the configs of a chain; equal ones are listed once."""

    def __init__(self) -> None:
        self._known: dict[str, BaseDataset | None] = {}

    def of(self, loader: Mapping[str, Any] | None) -> BaseDataset | None:
        """The data set of a loader's config; None where there is none, or one that is downloaded on
        first use, or of a kind that mmengine does not have.

        Raises:
            HCSCError: it cannot be listed.
        """
        config = (loader or {}).get("dataset")
        if config is None or is_downloaded(config["type"]):
            return None
        plain = {key: value for key, value in config.items() if key != "pipeline"}
        key = json.dumps(plain, sort_keys=True, default=repr)
        if key not in self._known:
            with DefaultScope.overwrite_default_scope("mmpretrain"):
                built = DATASETS.build({**plain, "pipeline": []})
            self._known[key] = built if isinstance(built, BaseDataset) else None
        return self._known[key]

    def forget(self) -> None:
        """Let the lists go; what is asked for again is listed again."""
        self._known.clear()

    def digest(self, cfg: Config) -> str | None:
        """Of names, sizes and labels of all images that a config reads; None where nothing can be
        said of some: they are not there, are another library's, or are downloaded.
        """
        if cfg.get("default_scope") != "mmpretrain" or missing_data(cfg):
            return None
        found = hashlib.sha256()
        for loader in loaders_of(cfg):
            dataset = self.of(loader)
            if dataset is None:
                return None
            found.update(f"{len(dataset)} {fingerprint(dataset)} {_labels(dataset)}".encode())
        return found.hexdigest()


def loaders_of(cfg: Config) -> Iterator[Mapping[str, Any]]:
    """Configs of loaders, also of the one that features are learnt from."""
    for name in LOADERS:
        if cfg.get(name) is not None:
            yield cfg[name]
    if (cfg.get("test_cfg") or {}).get("train_dataloader") is not None:
        yield cfg.test_cfg.train_dataloader


def _labels(dataset: BaseDataset) -> str:
    """A digest of them, and of what they are called."""
    names = dataset.metainfo.get("classes")
    if isinstance(dataset, TarImages):  # no text for each of ten million
        found = hashlib.sha256(json.dumps(names).encode())
        found.update(dataset.labels().astype("<i4").tobytes())
        return found.hexdigest()
    infos = (dataset.get_data_info(row) for row in range(len(dataset)))
    rows = [(info.get("gt_label"), info.get("coarse_label")) for info in infos]
    text = json.dumps([names, rows], default=lambda value: np.asarray(value).tolist())
    return hashlib.sha256(text.encode()).hexdigest()
