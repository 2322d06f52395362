"""Which keys a config has or may have, and what each of them takes."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args

import mmengine.registry
from mmengine.config import Config
from mmengine.registry import Registry

from ...errors import HCSCError
from .names import DELETE
from .places import Path, path_of, places_of
from .roles import built_arguments, mmengine_arguments, needed_entries, root_arguments
from .signatures import Arguments, fields_of
from .wanted import MISSING, Wanted, of_annotation, wanted_at

_TYPO = 0.8  # similarity at which a new entry is taken for a misspelt one, where any may be new
_SUGGEST = 0.6  # similarity at which a name is worth naming
_NOTHING = inspect.Parameter("nothing", inspect.Parameter.KEYWORD_ONLY)


class UnknownKeyError(HCSCError):
    """A key that nothing in the config reads.

    Args:
        message: What is wrong, in one line.
        key: The key as it was given; '' where the message is about a part of it.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class Keys:
    """The keys of a config, together with those that options add.

    Args:
        cfg: The config.
        options: Dotted keys → texts, all that are given: ``default_hooks.probe.type`` makes
            ``default_hooks.probe.lr`` known.
    """

    def __init__(self, cfg: Config, options: Mapping[str, Any]) -> None:
        self.cfg = cfg
        self.options = {path_of(key): value for key, value in options.items()}
        self._all_types_known = True

    def wanted(self, parts: Path) -> Wanted:
        """What a place takes.

        Args:
            parts: The key, taken apart at its dots.

        Raises:
            UnknownKeyError: nothing reads it; the nearest key that there is is named.
            HCSCError: it leads through a value that has no entries.
        """
        value: Any = self.cfg._cfg_dict
        parameter = _NOTHING
        for length, part in enumerate(parts):
            path = parts[:length]
            if isinstance(value, (list, tuple)):
                value = self._element(value, path, part)
                parameter = parameter.replace(annotation=_element_annotation(parameter.annotation))
                continue
            if part == DELETE:
                return Wanted(frozenset({"bool"}))
            group = value if isinstance(value, Mapping) else {}
            parameter = self._parameter(group, path, parts, parameter)
            value = group.get(part, MISSING)
            if length + 1 < len(parts):
                value = self._group(value, parts[: length + 1], parameter, parts)
        if parts[-1] == "type" and isinstance(self.options.get(parts), str):
            self._check_type(parts)
        return wanted_at(parameter.annotation, parameter.default, value)

    def _element(self, values: list | tuple, path: Path, part: str) -> Any:
        """An element of a list, by its number."""
        here, length = ".".join(path), len(values)
        if not part.isdigit() or int(part) >= length:
            last = f"; {here}.{length - 1} is the last" if length else ""
            raise UnknownKeyError(f"{here} is a list of {length}{last}")
        return values[int(part)]

    def _group(self, value: Any, path: Path, parameter: inspect.Parameter, parts: Path) -> Any:
        """The group or list that a key leads through; empty where the option makes a new one."""
        here = ".".join(path)
        if (*path, DELETE) in self.options:
            return {}
        if isinstance(value, (Mapping, list, tuple)):
            return value
        allowed = of_annotation(parameter.annotation).kinds
        if value is not MISSING and value is not None:
            raise HCSCError(f"{here} is {value!r} and has no entries; give {here}=VALUE")
        if allowed and not allowed & {"dict", "sequence"}:
            raise HCSCError(f"{here} has no entries; give {here}=VALUE")
        if parts[len(path)].isdigit():
            raise UnknownKeyError(f"there is no list {here}; give {here}=[...]")
        needed = needed_entries(path, parameter.default)
        given = [self.options.get((*path, *entry.split("."))) for entry in needed]
        if needed and all(one is None for one in given):
            raise UnknownKeyError(
                f"there is no {here}; a new one needs {here}.{needed[0]}, too"
                + self._elsewhere(parts)
            )
        return {}

    def _parameter(
        self, group: Mapping, path: Path, parts: Path, parent: inspect.Parameter
    ) -> inspect.Parameter:
        """The argument that an entry of a group becomes.

        Raises:
            UnknownKeyError: the entry is new, and what reads the group does not read it.
        """
        part = parts[len(path)]
        owner, known = self._arguments(group, path, parent)
        if part in group or part in known.parameters:
            return known.parameters.get(part, _NOTHING)
        names = [*known.parameters, *(name for name in group if isinstance(name, str))]
        cutoff = _SUGGEST if known.closed or path == ("default_hooks",) else _TYPO
        close = _closest(part, names, cutoff)
        new = path == ("default_hooks",) and (*path, part, "type") in self.options
        if not known.closed and (new or close is None):
            return _NOTHING
        here = ".".join((*path, part))
        if close is not None:
            nearest = ".".join((*path, close, *parts[len(path) + 1 :]))
            hook = path == ("default_hooks",)
            other = f" a new one needs {here}.type, too" if hook else ""
            raise UnknownKeyError(f"there is no {here}; did you mean {nearest}?{other}")
        place = f"{'.'.join(path)} ({owner})" if path else "the config"
        raise UnknownKeyError(
            f"nothing reads {here}: {place} has no {part}"
            + (self._elsewhere(parts) or _listed(known.parameters if path else {}))
        )

    def _arguments(
        self, group: Mapping, path: Path, parent: inspect.Parameter
    ) -> tuple[str, Arguments]:
        """Who reads a group, and which entries; what nobody knows is open."""
        if not path:
            return "the runner", root_arguments(self.cfg)
        new = {key[-1]: value for key, value in self.options.items() if key[:-1] == path}
        merged = {**group, **new}
        read = mmengine_arguments(path, merged, self.cfg)
        if read is not None:
            return read
        if "type" in merged:
            for target in self._targets(merged["type"], path):
                name = getattr(target, "__name__", str(merged["type"]))
                return name, built_arguments(target, path)
        record = _dataclass_in(parent.annotation)
        if record is not None:
            return record.__name__, fields_of(record)
        return "", Arguments({}, closed=False)

    def _targets(self, type_: Any, path: Path) -> Iterator[Callable]:
        """The classes or functions that a ``type`` names; usually one, or none."""
        if not isinstance(type_, str):
            yield type_
            return
        for registry in _registries():
            try:
                found = _in_scope(registry, self._scope(path)).get(type_)
            except ImportError:  # a part of a library that cannot be imported here: who knows
                self._all_types_known = False
                continue
            if found is not None:
                yield found

    def _scope(self, path: Path) -> str:
        """The library that types without a prefix belong to at a place."""
        scope, value = self.cfg.get("default_scope") or "mmengine", self.cfg._cfg_dict
        for part in path:
            if isinstance(value, Mapping):
                scope, value = value.get("_scope_", scope), value.get(part)
            elif isinstance(value, (list, tuple)):
                value = value[int(part)]
        return value.get("_scope_", scope) if isinstance(value, Mapping) else scope

    def _check_type(self, parts: Path) -> None:
        """Refuse a type that no registry knows."""
        wanted, path = self.options[parts], parts[:-1]
        if mmengine_arguments(path, {"type": wanted}, self.cfg) is not None:
            return
        if any(self._targets(wanted, path)) or not self._all_types_known:
            return
        scope = self._scope(path)
        names = {name for one in _registries() for name in _in_scope(one, scope).module_dict} | {
            f"{prefix}.{name}"
            for one in _registries()
            for prefix, child in one.children.items()
            for name in child.module_dict
        }
        close = _closest(wanted, sorted(names), _SUGGEST)
        hint = f"; did you mean {close}?" if close else ""
        raise UnknownKeyError(f"there is no type {wanted}{hint}")

    def _elsewhere(self, parts: Path) -> str:
        """Where in the config the last part of a key stands, or one much like it."""
        places = list(places_of(self.cfg._cfg_dict))
        last = _closest(parts[-1], {place[-1] for place in places}, _TYPO)
        found = sorted((place for place in places if place[-1] == last), key=len)
        return f"; did you mean {' or '.join(map('.'.join, found[:2]))}?" if found else ""


def _closest(name: str, names: Any, cutoff: float) -> str | None:
    """The most similar name; one that differs in its digits alone is no typing error."""
    plain = name.strip("0123456789")
    known = [one for one in names if one == name or one.strip("0123456789") != plain]
    return next(iter(difflib.get_close_matches(name, known, 1, cutoff)), None)


def _listed(parameters: Mapping[str, Any]) -> str:
    names = [name for name in parameters if name not in ("type", "_scope_")]
    return f"; it reads {', '.join(names[:12])}" if names else ""


def _element_annotation(annotation: Any) -> Any:
    """Of what a sequence holds."""
    arguments = [one for one in get_args(annotation) if one is not Ellipsis]
    return arguments[0] if len(arguments) == 1 else MISSING


def _dataclass_in(annotation: Any) -> type | None:
    """A dataclass that an annotation names, at any depth."""
    if is_dataclass(annotation) and inspect.isclass(annotation):
        return annotation
    return next(filter(None, map(_dataclass_in, get_args(annotation))), None)


def _registries() -> list[Registry]:
    return [one for one in vars(mmengine.registry).values() if isinstance(one, Registry)]


def _in_scope(root: Registry, scope: str) -> Registry:
    """The child of a root registry that belongs to a library, which is imported."""
    if scope != "mmengine":
        try:
            importlib.import_module(f"{scope}.registry")
        except ImportError:
            return root
    return root.children.get(scope, root)
