"""From the name of some weights to a network that embeds images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..errors import HCSCError
from ..runtime.checkpoint_files import newest_checkpoint
from ..runtime.configs.text import read_config_text
from ..runtime.launch import load_config
from ..runtime.pretrained import compare_weights, configs_of_type, load_weights, weights_under
from ..runtime.sync_batch_norm import without_sync_batch_norm
from ..structures.checkpoint_entry import SavedTree, saved_tree
from ..weights import read_checkpoint
from ..weights.targets import clustering_encoder
from .embedder import Embedder, TrainingImages, make_embedder, standard_pipeline
from .named_backbones import LIBRARIES, mmpretrain_config
from .registered_types import registered_only

_KEY_ENCODER = "momentum_encoder.encoder."
_TARGET = "target_net.module."  # BYOL's, where the checkpoint has a tree of it
# Ours end in the space that hierarchies are made in; of another library's the backbone is taken,
# unless the checkpoint has a tree, which is of projections.
_NECK = "hcsc_mm.ProjectionNeck"
_CLUSTERING = "hcsc_mm.HierarchicalClusteringHook"


def load_embedder(
    model: str | os.PathLike | Config,
    pretrained: str | os.PathLike | None = None,
    device: torch.device | str | None = None,
    features: str = "projection",
) -> Embedder:
    """Load a network with its weights, whoever they are by.

    Args:
        model: One of

            - a checkpoint of ours, which carries its config and its hierarchy;
            - a work folder: its newest checkpoint;
            - a config, as a file or an object; then ``pretrained`` is its checkpoint;
            - 'timm/NAME' or 'torchvision/NAME': a backbone of these libraries;
            - a name that mmpretrain knows, such as 'resnet50_8xb32_in1k';
            - a file of a ResNet's weights in any layout that ``tools/convert_checkpoint.py`` reads.
        pretrained: Weights of a config or a name. For a name without them the library fetches the
            published ones.
        device: Where it is to run; None: a GPU if there is one.
        features: What an embedding is: 'projection' (the default), 'backbone' or 'both', see
            :meth:`Embedder.with_features`.

    Raises:
        HCSCError: there is no such thing, weights are missing or of another architecture, or the
            file asks for code to be run.
    """
    loaded = _load(model, None if pretrained is None else os.fspath(pretrained))
    return loaded.with_features(features).to(device)


def _load(model: str | os.PathLike | Config, pretrained: str | None) -> Embedder:
    if isinstance(model, Config):
        return _of_config(model, model.filename or "the config", pretrained)
    model = os.path.expanduser(os.fspath(model))
    library, _, name = model.partition("/")
    if library in LIBRARIES and not os.path.exists(model):
        parts = LIBRARIES[library](name, pretrained)
        return make_embedder((model, _absolute(pretrained)), *parts)
    if model.endswith(".py"):
        return _of_config(load_config(model), _absolute(model), pretrained)
    if os.path.isdir(model):
        newest = newest_checkpoint(model)
        if newest is None:
            raise HCSCError(f"there is no checkpoint in the folder {model}; name one")
        model = newest
    if os.path.isfile(model) or "://" in model:
        if pretrained is not None:
            raise HCSCError(f"{model} holds weights, and pretrained={pretrained} gives others")
        return _of_file(model)
    config, published = mmpretrain_config(model)
    if config is None:
        raise HCSCError(
            f"there is no file, folder or model {model}; give a checkpoint, a work folder, a name "
            f"of mmpretrain's, {', '.join(f'{library}/NAME' for library in LIBRARIES)}"
        )
    return _of_config(config, model, pretrained or published)


def _of_config(config: Config, name: str, pretrained: str | None) -> Embedder:
    if pretrained is None:
        raise HCSCError(f"{name} is a config, which has no weights; give pretrained=CHECKPOINT")
    loaded = _read(pretrained)
    return _of_checkpoint(loaded, config, pretrained, (name, _absolute(pretrained)))


def _of_file(path: str) -> Embedder:
    source = (_absolute(path), None)
    loaded = {} if path.endswith(".pkl") else _read(path)
    text = (loaded.get("meta") or {}).get("cfg")
    if not isinstance(text, str):
        return _of_known_layout(path, source)
    config = read_config_text(text, path)
    parts = {
        "model": registered_only(config.get("model", {}), MODELS, path),
        **{key: value for key, value in config.items() if key != "model"},
    }
    return _of_checkpoint(loaded, Config(parts), path, source)


def _read(path: str) -> Mapping[str, Any]:
    loaded = CheckpointLoader.load_checkpoint(path, map_location="cpu", logger="current")
    if not isinstance(loaded, Mapping):
        raise HCSCError(f"{path} holds a {type(loaded).__name__}, not the weights of a model")
    return loaded


def _of_checkpoint(
    loaded: Mapping[str, Any], config: Config, path: str, source: tuple[str, str | None]
) -> Embedder:
    """The encoder that clusters, if the weights have one, else the backbone."""
    model = config.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("backbone"), Mapping):
        raise HCSCError(f"the config of {path} has no model.backbone; nothing there embeds images")
    weights = load_weights(path)
    saved = saved_tree(loaded, os.path.basename(source[1] or source[0]))
    prefixes = _encoder(weights, has_tree=saved is not None)
    backbone = _build(model["backbone"], weights, prefixes[0], path)
    neck = model.get("neck")
    has_neck = isinstance(neck, Mapping) and (saved is not None or neck.get("type") == _NECK)
    projection = _build(neck, weights, prefixes[1], path) if has_neck else None
    embedder = make_embedder(
        source,
        backbone,
        projection,
        model.get("data_preprocessor") or config.get("data_preprocessor"),
        find_pipeline(config),
    )
    return _with_hierarchy(embedder, saved, config)


def _encoder(weights: Mapping[str, Tensor], has_tree: bool) -> tuple[str, str]:
    """How the names of backbone and neck begin, of the encoder that clusters or would."""
    for encoder in (_KEY_ENCODER, *([_TARGET] if has_tree else [])):
        if any(name.startswith(encoder) for name in weights):
            return f"{encoder}0.", f"{encoder}1."
    return "backbone.", "neck."


def _build(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], prefix: str, path: str
) -> nn.Module:
    """A part of a model, all of whose weights come from the checkpoint."""
    config = {k: v for k, v in config.items() if k not in ("init_cfg", "pretrained")}
    without_sync_batch_norm(config)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        part = MODELS.build(config)
    given = weights_under(weights, prefix, path)
    compare_weights(part.state_dict(), given, path)
    part.load_state_dict(given, strict=False)  # counters of batch norms may be missing
    return part


def _with_hierarchy(embedder: Embedder, saved: SavedTree | None, config: Config) -> Embedder:
    if saved is None:
        return embedder
    if embedder.white == "auto" and saved.white is not None:
        embedder = embedder.with_white(saved.white)  # what the training found in its images
    dataset = (config.get("train_dataloader") or {}).get("dataset")
    training = TrainingImages(saved.num_samples, saved.images, dataset)
    return replace(embedder, hierarchy=saved.hierarchy, training=training, fits=saved.fits)


def find_pipeline(config: Config) -> list[dict]:
    """How a config prepares an image that is not trained on: for the clustering, or else for a
    test, or else as for ImageNet, with a word in the log.
    """
    for hook in configs_of_type(config._cfg_dict.to_dict(), _CLUSTERING):
        if hook.get("pipeline"):
            return _shrunk_as_in_training(hook, config, list(hook["pipeline"]))
    for name in ("test_dataloader", "val_dataloader"):
        loader = config.get(name) or {}
        if (loader.get("dataset") or {}).get("pipeline"):
            return [dict(step) for step in loader["dataset"]["pipeline"]]
    print_log("the config says no test pipeline: images are cropped to 224 pixels", "current")
    return standard_pipeline()


def _shrunk_as_in_training(
    hook: Mapping[str, Any], config: Config, pipeline: list[dict]
) -> list[dict]:
    """With the shrinking of a data set that keeps its images in memory, which the clustering gets
    already shrunk: without it the embeddings are others, and so are the nearest prototypes.
    """
    dataset = hook.get("dataset") or (config.get("train_dataloader") or {}).get("dataset") or {}
    memory = dataset.get("memory") or {}
    if memory.get("short_side") is None:
        return pipeline
    sides = {name: memory[name] for name in ("short_side", "long_side") if name in memory}
    return [pipeline[0], dict(type="hcsc_mm.ShrinkImage", **sides), *pipeline[1:]]


def _of_known_layout(path: str, source: tuple[str, str | None]) -> Embedder:
    """A network whose layout the converter knows, the key encoder if there is one."""
    try:
        model = clustering_encoder(read_checkpoint(path).weights)
        backbone = model.shape.loaded(model.backbone, **model.shape.pooled)
    except HCSCError as error:
        raise HCSCError(
            f"{path} carries no config, and its weights alone do not say what network they are of "
            f"({error}); give the config, or a name, with pretrained={path}"
        ) from None
    neck = None
    if model.projection:
        matrices = list(model.projection.values())[::2]
        neck = MODELS.build(
            dict(
                type=_NECK,
                in_channels=matrices[0].shape[1],
                hid_channels=matrices[0].shape[0],
                out_channels=matrices[-1].shape[0],
                num_layers=len(matrices),
            )
        )
        neck.load_state_dict(model.projection)
    print_log(
        f"{path} carries no config: it is taken for a {model.shape} on ImageNet's crops of 224 "
        "pixels",
        "current",
    )
    return make_embedder(source, backbone, neck, None, standard_pipeline())


def _absolute(path: str | None) -> str | None:
    return path if path is None or "://" in path else str(Path(path).absolute())
