"""A config as its file and the command line want it, checked before anything is built of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ...errors import HCSCError
from ...utils.text import first_line
from .fitted import FITTED, RECIPE, fit
from .keys import Keys, UnknownKeyError
from .names import DELETE, RAISED_BY_CONFIGS, assigned_again, read_with
from .options import UnfitError, value_of
from .places import Path, path_of, places_of, prefixes, put_at, value_at
from .roles import root_arguments
from .wanted import Wanted, kind_of, of_value

_Reader = Callable[[Mapping[str, Any]], Config]  # changes at the top → the config


def read_config(
    path: str, options: Mapping[str, Any] | None = None, flag: str = "--cfg-options "
) -> tuple[Config, dict[str, Any]]:
    """Read a config file and change it as the command line says.

    Args:
        path: Path of the config file.
        options: Key → text from the command line, or value. A key without a point is a name at the
            top of the config, of this file or of one that it inherits from; all that follows from
            it follows. Others are places, as in mmengine, and win over names.
        flag: What stands before a key on the command line, for messages.

    Returns:
        The changed config, and the changes that mmengine's ``merge_from_dict`` would make again:
        places and what the runner reads at the top, with values of the right types. Who changes
        the config further and wants the options to have the last word merges them once more, with
        :func:`merge_options`.

    Raises:
        HCSCError: nothing reads a key, or its value is not what it takes; in one line, which begins
            with the flag and the key.
    """
    options = dict(options or {})
    _refuse_overlaps(options, flag)
    # what is assigned again: in the files above all that follows from it follows
    read = partial(read_with, path, again=assigned_again(path))
    cfg, changes = _changed(path, options, flag, read)
    found = fit(path, cfg, options)
    if found is not None:
        cfg, changes = _changed(
            path, options, flag, lambda changes: read({**found.values, **changes})
        )
        cfg.pop(RECIPE)  # a run from the dumped config is the same run
        cfg[FITTED] = dict(lines=found.lines, world_size=found.world_size)
    return cfg, changes


def _changed(
    path: str, options: dict[str, Any], flag: str, read: _Reader
) -> tuple[Config, dict[str, Any]]:
    plain = read({})
    return _Change(path, plain, options, flag, read).made() if options else (plain, {})


def merge_options(cfg: Config, changes: Mapping[str, Any]) -> None:
    """Merge changed places into a config, in place.

    Raises:
        HCSCError: a flag took the group out of the config that an option wants to change.
    """
    try:
        cfg.merge_from_dict(copy.deepcopy(dict(changes)))
    except (TypeError, KeyError, AttributeError) as error:
        raise HCSCError(
            f"the options {', '.join(changes)} contradict the other flags: {first_line(error)}"
        ) from error


def check_kept(cfg: Config, changes: Mapping[str, Any], flag: str, who: str) -> None:
    """Refuse options that a tool has overwritten: it sets these entries itself.

    Args:
        cfg: The config as it is run.
        changes: What the command line changes, see :func:`read_config`.
        flag: For the message.
        who: Name of the tool, for messages.

    Raises:
        HCSCError: the config does not have what an option asked for.
    """
    for key, value in changes.items():
        merged = isinstance(value, dict) or key.endswith(DELETE)
        if not merged and value_at(cfg, path_of(key)) != value:
            raise HCSCError(f"{flag}{key}={value}: {who} sets {key} itself; leave the option out")


class _Change:
    """The options of one command line, on their way into one config.

    Args:
        path: Path of the config file.
        plain: The config as the file has it.
        options: Key → text or value.
        flag: Name of the flag, for messages.
        read: Reads it with other values at the top.
    """

    def __init__(
        self,
        path: str,
        plain: Config,
        options: dict[str, Any],
        flag: str,
        read: _Reader,
    ) -> None:
        self.path, self.plain, self.options, self.flag = path, plain, options, flag
        self.read_with = read
        self.read_at_top = root_arguments(plain).parameters
        self.before = self._outcome(plain)

    def made(self) -> tuple[Config, dict[str, Any]]:
        """See :func:`read_config`."""
        at_top: dict[str, Any] = {}
        for key, text in self.options.items():
            name, _, place = key.partition(".")
            wanted_of = Keys(self.plain, self.options).wanted
            if self._is_name(name):
                value = self._value(key, text, wanted_of if place else self._wanted_of_name)
                self._check_effect(key, value)
                put_at(at_top, key, value)
            elif not place and kind_of(self.plain.get(key)) not in ("dict", "sequence"):
                value = self._value(key, text, wanted_of)
                if not isinstance(value, dict):
                    at_top[key] = value
        cfg = self._read(at_top)
        changes = self._places(cfg)
        merge_options(cfg, changes)
        return cfg, changes

    def _is_name(self, name: str) -> bool:
        """Whether a name at the top is the config's own: read there and nowhere else."""
        return name in self.plain and name not in self.read_at_top

    def _places(self, cfg: Config) -> dict[str, Any]:
        """What mmengine merges, with values of the right types."""
        keys, changes = Keys(cfg, self.options), {}
        places = [key for key in self.options if not self._is_name(path_of(key)[0])]
        # its modules register types that others may name
        for key in sorted(places, key=lambda key: not key.startswith("custom_imports")):
            changes[key] = self._value(key, self.options[key], keys.wanted)
            self._refuse_elements(cfg, key, changes[key])
            if key == "custom_imports.imports":
                import_modules_from_strings(changes[key])
        for key in places:  # mmengine merges no group into None
            for end in prefixes(key):
                if value_at(cfg, path_of(end)) is None:
                    changes.setdefault(f"{end}.{DELETE}", True)
        return changes

    def _value(self, key: str, text: Any, wanted_of: Callable[[Path], Wanted]) -> Any:
        """What a text stands for; the errors of both questions in one line."""
        option = f"{self.flag}{key}={text}"
        option = option if option.isprintable() else repr(option)
        try:
            wanted = wanted_of(path_of(key))
            return value_of(text, wanted) if isinstance(text, str) else text
        except UnfitError as error:
            raise HCSCError(f"{option}: {error}") from error
        except UnknownKeyError as error:
            raise UnknownKeyError(f"{self.flag}{key}: {error}", key) from error
        except HCSCError as error:
            raise HCSCError(f"{option}: {error}") from error

    def _refuse_elements(self, cfg: Config, key: str, value: Any) -> None:
        """mmengine merges into groups in lists, and neither single values nor tuples.

        Raises:
            HCSCError: the key is an element that mmengine leaves alone.
        """
        parts = path_of(key)
        for length in range(1, len(parts)):
            values = value_at(cfg, parts[:length])
            single = length + 1 == len(parts) and not isinstance(value, dict)
            if isinstance(values, tuple) or (isinstance(values, list) and single):
                here = ".".join(parts[:length])
                raise HCSCError(f"{self.flag}{key}: give all {len(values)} values, {here}=[...]")

    def _wanted_of_name(self, parts: Path) -> Wanted:
        """What a name takes: its own kind, and what the places take to which its value goes."""
        (name,) = parts
        value, keys = self.plain[name], Keys(self.plain, {})
        taken = [keys.wanted(place) for place in self._goes_to(name)]
        if not taken:
            taken = [of_value(value, strict=True)]
        wanted = reduce(Wanted.__or__, taken)
        container = type(value) if isinstance(value, (list, tuple)) else wanted.container
        return replace(wanted, container=container, now=kind_of(value))

    def _goes_to(self, name: str) -> list[Path]:
        """Places that the runner reads and that have the value of a name as it is."""
        value = self.plain[name]
        for other in _others(value):
            outcome = self._outcome_with({name: other})
            if outcome is None or outcome == self.before:
                continue
            return [
                place
                for place in places_of(outcome)
                if value_at(outcome, place) == other and value_at(self.before, place) == value
            ]
        return []

    def _check_effect(self, key: str, value: Any) -> None:
        """Refuse a value at the top from which nothing follows.

        Raises:
            HCSCError: whatever the value is, what the runner reads stays the same; the places are
                named that bear its name.
        """
        now = value_at(self.plain, path_of(key))
        for other in (value, *_others(now)):
            if other == now:
                continue
            change: dict[str, Any] = {}
            put_at(change, key, other)
            outcome = self._outcome_with(change)
            if outcome is None or outcome != self.before:  # code that fails reads it
                return
        last = path_of(key)[-1]
        same = [".".join(place) for place in places_of(self.before) if place[-1] == last]
        hint = (
            f"name the place: {' or '.join(sorted(same, key=len)[:3])}"
            if same
            else "name the place that it is meant for"
        )
        raise UnknownKeyError(
            f"{self.flag}{key}: nothing in {self.path} follows from {key}; {hint}", key
        )

    def _outcome_with(self, change: Mapping[str, Any]) -> dict | None:
        """What the runner reads of the changed config; None: its code fails."""
        try:
            return self._outcome(self.read_with(change))
        except RAISED_BY_CONFIGS:
            return None

    def _outcome(self, cfg: Config) -> dict:
        return {key: value for key, value in cfg.to_dict().items() if key in self.read_at_top}

    def _read(self, at_top: Mapping[str, Any]) -> Config:
        try:
            return self.read_with(at_top)
        except RAISED_BY_CONFIGS as error:
            given = " ".join(f"{key}={value}" for key, value in at_top.items())
            raise HCSCError(
                f"{self.flag}{given}: {self.path} cannot be read with it: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error


def _refuse_overlaps(options: Mapping[str, Any], flag: str) -> None:
    """A key and a part of it on one command line contradict each other."""
    for key in options:
        for end in prefixes(key):
            if end in options:
                raise HCSCError(f"{flag}{end} and {key} contradict each other; leave one out")


def _others(value: Any) -> list[Any]:
    """Values of the same kind that are not this one, to see what follows from it."""
    match kind_of(value):
        case "bool":
            return [not value]
        case "int" | "float":
            return [value + 1, value * 2 + 1]
        case "str":
            return [f"{value}~"]
        case "sequence":
            return [type(value)([*value, *value[-1:]]) if value else type(value)([0])]
        case "dict":
            return [{"~": 0}]
    return ["~"]
