"""Places of a config: the parts of dotted keys, such as ('custom_hooks', '0', 'interval')."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from .wanted import MISSING, kind_of

Path = tuple[str, ...]


def path_of(key: str) -> Path:
    return tuple(key.split("."))


def prefixes(key: str) -> Iterator[str]:
    """The keys of all that a key leads through, from the top."""
    parts = path_of(key)
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))


def value_at(config: Any, path: Path) -> Any:
    """What stands at a place of a config, or of nested dicts and lists; MISSING if nothing does."""
    if isinstance(config, Config):
        config = config._cfg_dict
    for part in path:
        if isinstance(config, (list, tuple)) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        elif isinstance(config, Mapping) and part in config:
            config = config[part]
        else:
            return MISSING
    return config


def places_of(config: Any, path: Path = ()) -> Iterator[Path]:
    """All places of nested dicts and lists, without elements of lists that are neither."""
    entries: Any = ()
    if isinstance(config, Mapping):
        entries = config.items()
    elif isinstance(config, (list, tuple)):
        entries = enumerate(config)
    for key, value in entries:
        if isinstance(config, Mapping) or kind_of(value) in ("dict", "sequence"):
            if isinstance(config, Mapping):
                yield (*path, str(key))
            yield from places_of(value, (*path, str(key)))


def put_at(changes: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key of nested dicts, in place."""
    *groups, last = path_of(key)
    for group in groups:
        changes = changes.setdefault(group, {})
    changes[last] = value
