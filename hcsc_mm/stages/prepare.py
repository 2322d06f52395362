"""Fitting a benchmark config to the pre-training that it judges."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmpretrain.registry import DATASETS

from ..datasets.sources import is_address
from ..errors import HCSCError
from ..runtime.pretrained import configs_of_type, use_checkpoint
from ..runtime.trained_otherwise import normalisation_of
from ..structures.checkpoint_entry import CHECKPOINT_KEY
from ..utils.safe_load import load_data
from .plan import PRETRAIN

_LOADER, _MAKES_PIXELS = "hcsc_mm.LoadImage", ("white", "color_type", "imdecode_backend")
# What says where and how a stage runs, and not what comes out of it.
_CIRCUMSTANCES = (
    "work_dir",
    "load_from",
    "resume",
    "launcher",
    "experiment_name",
    "stages",
    "log_level",
    "visualizer",
    "vis_backends",
)


def fit_to_pretraining(cfg: Config, pretraining: Config, checkpoint: str) -> None:
    """Give a benchmark the backbone, the normalisation, the way to load images and the weights of a
    pre-training; ``cfg`` is changed in place.

    Split batch norm becomes plain batch norm: it has the same weights, and in the benchmarks there
    is no key to keep from the query. Where the benchmark's norms are synchronised, so are they
    then. Detectors and segmentation networks, whose backbones are set
    up for their libraries, take the weights alone.
    """
    model, source = cfg.model, pretraining.model
    _load_as_in(pretraining, cfg, checkpoint)
    if cfg.get("default_scope") != "mmpretrain":
        use_checkpoint(model, checkpoint)
        return
    own, model.backbone = model.backbone, copy.deepcopy(source.backbone)
    for name in ("init_cfg", "frozen_patch_embed"):  # weights are trained now that train well
        model.backbone.pop(name, None)
    if (model.get("neck") or {}).get("type") == "GlobalAveragePooling" and not str(
        model.backbone.type
    ).startswith("ResNet"):  # others may give tokens or vectors
        model.neck.type = "hcsc_mm.PoolingNeck"
    for norm in list(configs_of_type(model.backbone, "hcsc_mm.SplitBatchNorm2d")):
        norm["type"] = "BN"
        norm.pop("num_splits", None)
    if any(configs_of_type(own, "SyncBN")):
        if model.backbone.type == own.type:  # of another kind the norm may not be a batch norm
            model.backbone.setdefault("norm_cfg", dict(type="BN", requires_grad=True))
        for norm in list(configs_of_type(model.backbone, "BN")):
            norm["type"] = "SyncBN"
    if "data_preprocessor" in model:
        model.data_preprocessor.update(normalisation_of(pretraining))
    channels = source.get("neck", {}).get("in_channels")
    if channels is not None and "in_channels" in (model.get("head") or {}):
        model.head.in_channels = channels
    if cfg.get("train_cfg") is None:
        cfg.load_from = checkpoint
    else:
        use_checkpoint(model, checkpoint)


def _load_as_in(pretraining: Config, cfg: Config, checkpoint: str) -> None:
    """What makes pixels of a file: the range of its values, as the pre-training was told or found
    it, and its channels.
    """
    source = dict(next(configs_of_type(pretraining.get("train_dataloader"), _LOADER), {}))
    if source.get("white") == "auto" and os.path.isfile(checkpoint):
        entry = load_data(checkpoint).get(CHECKPOINT_KEY) or {}
        source["white"] = entry.get("white") or "auto"
    for load in list(configs_of_type(list(cfg.values()), _LOADER)):
        load.update({name: source[name] for name in _MAKES_PIXELS if name in source})


def move_data(config: Any, folder: str) -> None:
    """Put ``folder`` in the place of data/, where our configs look for their data sets, in every
    ``data_root`` of a config.
    """
    if isinstance(config, (list, tuple)):
        for value in config:
            move_data(value, folder)
        return
    if not isinstance(config, (Config, dict)):
        return
    for key, value in config.items():
        if key == "data_root" and value:
            moved = [_moved(root, folder) for root in _each(value)]
            config[key] = moved[0] if isinstance(value, (str, os.PathLike)) else moved
        else:
            move_data(value, folder)


def check_moved(configs: Iterable[Config], folder: str) -> None:
    """Refuse a folder of data sets in which no config looks for any.

    Raises:
        HCSCError: names the folders that they do look in.
    """
    roots = list(dict.fromkeys(root for config in configs for root in data_roots(config)))
    if not any(root.startswith(os.path.join(folder, "")) for root in roots):
        where = f"data are in {', '.join(roots[:3])}" if roots else "no config has a data_root"
        raise HCSCError(
            f"--data-root {folder} takes the place of data/ in data_root, and {where}; leave it "
            "out, or say --cfg-options data_root=DIR --stage-options all.data_root=DIR"
        )


def data_roots(config: Any) -> Iterator[str]:
    """Every ``data_root`` at any depth."""
    if isinstance(config, (list, tuple)):
        for value in config:
            yield from data_roots(value)
    elif isinstance(config, (Config, dict)):
        for key, value in config.items():
            yield from _each(value) if key == "data_root" and value else data_roots(value)


def missing_data(config: Any) -> list[str]:
    """Folders that the data sets of a config are to be in, and that do not exist; without those
    that are downloaded on first use.
    """
    if isinstance(config, (list, tuple)):
        return [folder for value in config for folder in missing_data(value)]
    if not isinstance(config, (Config, dict)):
        return []
    found = [folder for value in config.values() for folder in missing_data(value)]
    roots, kind = _each(config.get("data_root") or ()), config.get("type")
    if kind and not is_downloaded(kind) and not config.get("backend_args"):
        found += [
            root
            for root in roots
            if not is_address(root) and not os.path.exists(os.path.expanduser(root))
        ]
    return found


def check_data(configs: Mapping[str, Config]) -> None:
    """Refuse data that are not there before anything runs: not after a week of pre-training, and
    not after the stages before.

    Args:
        configs: What is to run, by name.

    Raises:
        HCSCError: a folder does not exist; it is named, and who needs it.
    """
    for name, cfg in configs.items():
        missing = missing_data(cfg)
        if missing:
            others = ",".join(other for other in configs if not missing_data(configs[other]))
            option = f"--stage-options {name}." if name != PRETRAIN else "--cfg-options "
            raise HCSCError(
                f"{name} needs the data in {missing[0]}, which does not exist; put them there, "
                "or say where they lie with --data-root DIR, in the place of data/, or "
                f"{option}data_root=DIR"
                + (f"; or leave the stage out: --stages {others}" if others else "")
            )


def _each(roots: Any) -> list[str]:
    """A data set may have several."""
    one = isinstance(roots, (str, os.PathLike))
    return [os.fspath(root) for root in ([roots] if one else roots)]


def _moved(root: str, folder: str) -> str:
    return os.path.join(folder, root.removeprefix("data/")) if root.startswith("data/") else root


def is_downloaded(kind: str | type) -> bool:
    """Whether a kind of data set is fetched where it is missing."""
    dataset = DATASETS.get(kind) if isinstance(kind, str) else kind
    return dataset is not None and "download" in inspect.signature(dataset).parameters


def digest(cfg: Config, checkpoint_digest: str | None) -> str:
    """A digest of all that a stage's numbers follow from: its config, and the weights that it
    starts from by their content.
    """
    relevant = {key: value for key, value in cfg.to_dict().items() if key not in _CIRCUMSTANCES}
    for part in list(configs_of_type(relevant, "Pretrained")):
        part.pop("checkpoint", None)  # its content counts, wherever it lies
    test = relevant.get("test_cfg") or {}
    if test.get("stages"):  # so does that of checkpoints that are judged beside it
        files = [test["stages"]] if isinstance(test["stages"], str) else test["stages"]
        contents = [file_digest(one) if os.path.isfile(one) else one for one in files]
        relevant["test_cfg"] = {**test, "stages": contents}
    text = json.dumps([relevant, checkpoint_digest], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else _digest_in_parts(file)
        )


def _digest_in_parts(file: Any) -> str:
    """What Python 3.10 does not have."""
    found = hashlib.sha256()
    while part := file.read(2**20):
        found.update(part)
    return found.hexdigest()
