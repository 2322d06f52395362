"""What mmengine reads in the parts of a config that it consumes itself, and what their types are
where none is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, RUNNERS
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from .places import Path
from .signatures import Arguments, arguments_of

# What Runner and Config read of a config besides the arguments of Runner, by name → annotation.
_ROOT = {
    "activation_checkpointing": Any,
    "channels_last": bool,
    "compile": bool | dict,
    "custom_imports": dict,
    "efficient_conv_bn_eval": Any,
    "find_unused_parameters": bool,
    "fitted": dict,  # what a recipe found
    "model_wrapper_cfg": dict | None,
    "recipe": dict,  # read_config
    "runner_type": str,
    "stages": list,  # tools/run_stages.py
    "sync_bn": str | None,
    "tta_model": dict,
    "tta_pipeline": list,
}
_DATALOADER = {  # Runner.build_dataloader takes these out
    "disable_subprocess_warning": bool,
    "num_batch_per_epoch": int | None,
}
_ENV = {
    "cudnn_benchmark": bool,
    "dist_cfg": dict,
    "mp_cfg": dict,
    "resource_limit": int,
}
PARAMWISE = {  # of DefaultOptimWrapperConstructor
    "bias_decay_mult": float | None,
    "bias_lr_mult": float | None,
    "bypass_duplicate": bool,
    "custom_keys": dict,
    "dcn_offset_lr_mult": float | None,
    "dwconv_decay_mult": float | None,
    "flat_decay_mult": float | None,
    "norm_decay_mult": float | None,
}
# What a builder takes out before the constructor sees the rest, by the place of the group.
_OPTIM_WRAPPER = {"constructor": str, "paramwise_cfg": dict | None, "optimizer": dict}
# A new group at this place means nothing without one of these entries.
_NEEDS = {
    ("custom_imports",): ("imports",),
    ("model",): ("type",),
    ("optim_wrapper",): ("optimizer.type",),
    ("test_evaluator",): ("type",),
    ("train_cfg",): ("type", "by_epoch"),
    ("val_evaluator",): ("type",),
    ("visualizer",): ("type",),
}
LOOPS = ("train_cfg", "val_cfg", "test_cfg")
_GIVEN_TO_LOOPS = ("runner", "dataloader", "evaluator")


def root_arguments(cfg: Config) -> Arguments:
    """What the runner of a config reads at its top."""
    kind = RUNNERS.get(cfg.runner_type) if cfg.get("runner_type") else None
    taken = {**arguments_of(Runner).parameters}
    if kind is not None:
        taken |= arguments_of(kind).parameters
    taken.pop("cfg")
    return Arguments({**_parameters(_ROOT), **taken}, closed=True)


def mmengine_arguments(path: Path, group: Mapping, cfg: Config) -> tuple[str, Arguments] | None:
    """What mmengine itself reads in a group of a config.

    Args:
        path: Keys that lead to the group from the top of the config.
        group: Its entries, as far as they are known.
        cfg: The whole config.

    Returns:
        Who reads it, in words, and what; None where that is said by the group's ``type`` alone.
    """
    if path == ("randomness",):
        return "mmengine", _without(arguments_of(Runner.set_randomness), ("self",))
    if path == ("env_cfg",):
        return "mmengine", Arguments(_parameters(_ENV), closed=True)
    if path == ("auto_scale_lr",):
        scaling = {"enable": bool, "base_batch_size": int}
        return "mmengine", Arguments(_parameters(scaling), closed=True)
    if path == ("default_hooks",):
        return "default_hooks", Arguments({}, closed=False)
    if path == ("optim_wrapper", "clip_grad"):
        clip = clip_grad_value_ if group.get("type") == "value" else clip_grad_norm_
        taken = _without(arguments_of(clip), ("parameters",))
        return f"torch's {clip.__name__}", _with(taken, {"type": str})
    if path == ("optim_wrapper", "paramwise_cfg"):
        kind = (cfg.get("optim_wrapper") or {}).get("constructor")
        found = OPTIM_WRAPPER_CONSTRUCTORS.get(kind) if isinstance(kind, str) else None
        if hasattr(found, "options"):  # ours says what it reads
            return found.__name__, Arguments(_parameters(found.options), closed=True)
        return "mmengine", Arguments(_parameters(PARAMWISE), closed=kind is None)
    if path[-1].endswith("dataloader") and "type" not in group:
        return "the data loader", _with(arguments_of(DataLoader), _DATALOADER)
    kind = _type_without_type(path, group)
    if "type" in group or kind is None:
        return None
    return kind.__name__, built_arguments(kind, path)


def _type_without_type(path: Path, group: Mapping) -> Callable | None:
    """What is built of a group without ``type``."""
    by_epoch = str(group.get("by_epoch", True)).lower() == "true"
    return {
        ("compile",): torch.compile,
        ("custom_imports",): import_modules_from_strings,
        ("env_cfg", "mp_cfg"): set_multi_processing,
        ("log_processor",): LogProcessor,
        ("model_wrapper_cfg",): MMDistributedDataParallel,
        ("optim_wrapper",): OptimWrapper,
        ("test_cfg",): TestLoop,
        ("train_cfg",): EpochBasedTrainLoop if by_epoch else IterBasedTrainLoop,
        ("val_cfg",): ValLoop,
    }.get(path)


def needed_entries(path: Path, default: Any) -> tuple[str, ...]:
    """Entries one of which a group that is new at a place must have.

    Args:
        path: Keys that lead to the group.
        default: Default of the argument that the group becomes.
    """
    if path[-1].endswith("dataloader"):
        return ("dataset.type",)
    if path[:-1] == ("default_hooks",) or (isinstance(default, Mapping) and "type" in default):
        return ("type",)
    return _NEEDS.get(path, ())


def built_arguments(target: Callable, path: Path) -> Arguments:
    """What may stand in a group that a class or function is built of.

    Args:
        target: What its ``type`` says, or stands for it.
        path: Keys that lead to the group.
    """
    arguments = _with(arguments_of(target), {"type": str, "_scope_": str})
    if path[:-1] in (("default_hooks",), ("custom_hooks",)):
        return _with(arguments, {"priority": Any})
    if path[0] == "param_scheduler":
        return _with(arguments, {"convert_to_iter_based": bool})
    if path == ("optim_wrapper",):
        return _with(arguments, _OPTIM_WRAPPER)
    if len(path) == 1 and path[0] in LOOPS:
        return _with(_without(arguments, _GIVEN_TO_LOOPS), {"by_epoch": bool})
    if path[-1] == "norm_cfg":
        return _with(arguments, {"requires_grad": bool})
    if "init_cfg" in path:
        return _with(arguments, {"override": dict | list})
    return arguments


def _parameters(annotations: Mapping[str, Any]) -> dict[str, inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return {
        name: inspect.Parameter(name, kind, annotation=annotation)
        for name, annotation in annotations.items()
    }


def _with(arguments: Arguments, annotations: Mapping[str, Any]) -> Arguments:
    return Arguments({**arguments.parameters, **_parameters(annotations)}, arguments.closed)


def _without(arguments: Arguments, names: tuple[str, ...]) -> Arguments:
    kept = {name: one for name, one in arguments.parameters.items() if name not in names}
    return Arguments(kept, arguments.closed)
