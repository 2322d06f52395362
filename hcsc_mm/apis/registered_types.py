"""Whether a config from a checkpoint builds registered classes only.

mmengine's registries take any dotted path for a type and import it: a config could name
``os.system``, or a function that unpickles a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry

from ..errors import HCSCError

# Arguments of registered classes that fetch what they name; weights come from the checkpoint.
_FETCHING = ("init_cfg", "pretrained", "checkpoint_path", "pretrained_cfg", "load_from")
_REFUSED = ("trust_remote_code",)


def registered_only(config: Any, registry: Registry, where: str) -> Any:
    """A copy of a config without arguments that fetch weights, all of whose types are registered.

    Args:
        config: Dicts, lists and plain values, such as a model's config.
        registry: That builds it; its relatives count, too.
        where: Name of the file it comes from, for the message.

    Raises:
        HCSCError: a type is not registered, or an argument would let a library run code that it
            downloads.
    """
    if isinstance(config, Mapping):
        for key in _REFUSED:
            if key in config:
                raise HCSCError(f"the config in {where} is refused: it sets {key}")
        kind = config.get("type")
        if kind is not None and not (isinstance(kind, str) and is_registered(kind, registry)):
            raise HCSCError(
                f"the config in {where} names the type {str(kind)[:80]!r}, which is not registered "
                "here; import what registers it first, or give the config file"
            )
        return {
            key: registered_only(value, registry, where)
            for key, value in config.items()
            if key not in _FETCHING
        }
    if isinstance(config, (list, tuple)):
        return type(config)(registered_only(value, registry, where) for value in config)
    return config


def is_registered(name: str, registry: Registry) -> bool:
    """Whether a registry, or one of its ancestors and their children, knows the name; nothing is
    imported but the registries' own locations.
    """
    scope, key = Registry.split_scope_key(name)
    root = registry
    while root.parent is not None:
        root = root.parent
    family = [root]
    for one in family:
        family.extend(one.children.values())
    for one in family:
        if scope is None or one.scope == scope:
            one.import_from_location()
            if key in one.module_dict:
                return True
    return False
