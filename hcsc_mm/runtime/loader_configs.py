"""Loaders as configs describe them: what PyTorch and mmengine would stumble over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS

from ..errors import HCSCError


def check_loaders(cfg: Config) -> None:
    """Refuse options that PyTorch takes for workers alone, wherever a loader without is configured.

    Raises:
        HCSCError: names the loader.
    """
    for place, loader in _loaders(cfg._cfg_dict, ""):
        for option in ("persistent_workers", "prefetch_factor"):
            if loader.get(option) and not loader.get("num_workers"):
                raise HCSCError(
                    f"{place}.{option}={loader[option]} needs workers, and num_workers is "
                    f"{loader.get('num_workers', 0)}; set num_workers to at least 1, or leave out "
                    f"{option}"
                )


def _loaders(config: Any, place: str) -> Iterator[tuple[str, Mapping]]:
    """Configs of loaders, with their places."""
    if isinstance(config, Mapping):
        if "dataset" in config and ("batch_size" in config or "num_workers" in config):
            yield place, config
        for key, value in config.items():
            yield from _loaders(value, f"{place}.{key}" if place else str(key))


def resolve_scopes(cfg: Config) -> None:
    """Take ``_scope_`` out of what no registry builds: loaders' functions, gradient clipping.

    Configs that inherit another library's (``_base_ = 'mmpretrain::...'``) have it in every dict
    with a type; mmengine hands it on to the function itself, which does not know it.
    """
    for wrapper in (cfg.get("optim_wrapper") or {}, *(cfg.get("optim_wrapper") or {}).values()):
        if isinstance(wrapper, Mapping) and isinstance(wrapper.get("clip_grad"), dict):
            wrapper["clip_grad"].pop("_scope_", None)
    for _, loader in _loaders(cfg._cfg_dict, ""):
        for name in ("collate_fn", "worker_init_fn"):
            function = loader.get(name)
            scope = function.pop("_scope_", None) if isinstance(function, dict) else None
            if scope and FUNCTIONS.get(f"{scope}.{function['type']}") is not None:
                function["type"] = f"{scope}.{function['type']}"
