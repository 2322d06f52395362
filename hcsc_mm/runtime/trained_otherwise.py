"""Does a config show images, and use weights, as the checkpoint says that they were trained?

Weights of the right shapes fit many networks and any normalisation: what comes out is a number, and
a wrong one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from ..errors import HCSCError
from ..utils.safe_load import load_data
from .configs.signatures import arguments_of
from .configs.text import read_config_text
from .pretrained import configs_of_type
from .view_sizes import differing_sizes

_NORMALISATION = {"mean": None, "std": None, "to_rgb": False}
_LOADING = {"white": None, "color_type": "color", "imdecode_backend": "pillow"}
# Arguments of backbones that change neither the network nor its features in eval mode.
_HARMLESS = {
    *("type", "_scope_", "init_cfg", "pretrained", "norm_cfg", "norm_eval", "with_cp"),
    *("frozen_stages", "zero_init_residual", "drop_path_rate", "out_indices", "conv_cfg"),
    "frozen_patch_embed",
}


def say_differences(cfg: Config, checkpoint: str | None = None) -> None:
    """Warn, in one line a checkpoint, of what a benchmark does otherwise than the pre-training.

    Nothing is said of files that carry no config, and of detectors and segmentation networks.

    Args:
        cfg: Config of the benchmark.
        checkpoint: The weights under test; by default those that parts of the model start from.
    """
    if cfg.get("default_scope") != "mmpretrain":
        return
    parts = configs_of_type(cfg.get("model"), "Pretrained")
    files = (
        [checkpoint] if checkpoint else list(dict.fromkeys(one.get("checkpoint") for one in parts))
    )
    for file in files:
        trained = _trained_with(file)
        found = [] if trained is None else list(differences(cfg, trained))
        if found:
            print_log(
                f"{file} was trained otherwise than it is used here: {'; '.join(found)}. "
                "tools/run_stages.py fits a benchmark to its pre-training",
                "current",
                level=30,
            )


def differences(cfg: Config, trained: Config) -> Iterator[str]:
    """What two configs of one backbone's weights do not have in common."""
    here, there = (one.get("model") or {} for one in (cfg, trained))
    colours = map(normalisation_of, (cfg, trained))
    yield from _differing("model.data_preprocessor", *colours, _NORMALISATION)
    loads = [
        next(configs_of_type(one._cfg_dict, "hcsc_mm.LoadImage"), None) for one in (cfg, trained)
    ]
    if None not in loads:
        yield from _differing("LoadImage", *loads, _LOADING)
    backbones = [one.get("backbone") or {} for one in (here, there)]
    if all(backbones):
        yield from _differing("model.backbone", *backbones, _defaults(backbones[0]))
    sizes = differing_sizes(cfg, trained)
    if sizes is not None:
        yield sizes


def normalisation_of(cfg: Config) -> dict[str, Any]:
    """mean, std and to_rgb of a config's model, also where they follow from saying nothing."""
    said = (cfg.get("model") or {}).get("data_preprocessor") or cfg.get("data_preprocessor") or {}
    found = {name: said.get(name, default) for name, default in _NORMALISATION.items()}
    return {**found, "to_rgb": bool(found["to_rgb"] or said.get("bgr_to_rgb"))}


def _trained_with(file: str | None) -> Config | None:
    """The config in a checkpoint of a pre-training or another run; None if there is none that can
    be read as data.
    """
    if file is None or not os.path.isfile(file):
        return None
    loaded = load_data(file, map_location="cpu", mmap=True)
    meta = loaded.get("meta") if isinstance(loaded, Mapping) else None
    text = meta.get("cfg") if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return read_config_text(text, file)
    except HCSCError as error:
        print_log(f"not compared with the pre-training: {error}", "current")
        return None


def _differing(
    place: str, here: Mapping[str, Any], there: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[str]:
    for name, default in defaults.items():
        ours, theirs = (one.get(name, default) for one in (here, there))
        if _plain(ours) != _plain(theirs):
            yield f"{place}.{name} is {ours} here and {theirs} there"


def _defaults(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """What a backbone's arguments are where nothing is said; without those that do not matter."""
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        target = MODELS.get(backbone["type"]) if isinstance(backbone["type"], str) else None
    parameters = {} if target is None else arguments_of(target).parameters
    return {
        name: None if one.default is one.empty else one.default
        for name, one in parameters.items()
        if name not in _HARMLESS
    }


def _plain(value: Any) -> Any:
    """Lists and tuples, whole and other numbers alike."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
