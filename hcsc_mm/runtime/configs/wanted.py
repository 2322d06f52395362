"""What may stand at a place of a config: from the annotation of the argument that it becomes, and
from the value that stands there now.
"""

from __future__ import annotations

import inspect
import numbers
import os
import types
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import reduce
from typing import Annotated, Any, Literal, Union, get_args, get_origin

MISSING = inspect.Parameter.empty  # no value, no annotation, no default
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "sequence": "a list",
    "dict": "a group of entries",
}
_PLURALS = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a list": "lists",
    "a group": "groups",
}


@dataclass(frozen=True)
class Wanted:
    """What an option takes.

    Attributes:
        kinds: Which of 'bool', 'int', 'float', 'str', 'sequence', 'dict' and 'None' are taken;
            empty: anything.
        element: What a sequence holds; None: anything.
        container: tuple or list, where it is known which.
        choices: The only values, if there are few.
        now: The kind of the value that stands there now; '' if none does.
    """

    kinds: frozenset[str] = frozenset()
    element: Wanted | None = None
    container: type | None = None
    choices: tuple = ()
    now: str = ""

    def takes(self, kind: str) -> bool:
        """Whether it says so, and not only because it says nothing."""
        return kind in self.kinds

    def __or__(self, other: Wanted) -> Wanted:
        if not self.kinds or not other.kinds:
            return ANYTHING
        elements = [one.element or ANYTHING for one in (self, other) if one.takes("sequence")]
        chosen = all(one.choices or one.kinds <= {"None", "object"} for one in (self, other))
        return Wanted(
            self.kinds | other.kinds,
            reduce(Wanted.__or__, elements) if elements else None,
            self.container or other.container,
            tuple(dict.fromkeys(self.choices + other.choices)) if chosen else (),
            self.now or other.now,
        )

    def in_words(self) -> str:
        """Such as 'a whole number or a list of numbers'."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        kinds = self.kinds - ({"int"} if self.takes("float") else set())
        words = [word for kind, word in _WORDS.items() if kind in kinds]
        if self.element is not None and self.element.kinds and "sequence" in kinds:
            plural = self.element.in_words()
            for one, several in _PLURALS.items():
                plural = plural.replace(one, several)
            words[words.index("a list")] = f"a list of {plural}"
        return " or ".join(words)


ANYTHING = Wanted()
_OBJECT = Wanted(frozenset({"object"}))  # what no config can hold, such as a module


def wanted_at(annotation: Any, default: Any, value: Any) -> Wanted:
    """What a place takes.

    Args:
        annotation: How the argument that the value becomes is annotated; MISSING if it is not.
        default: Default of that argument; MISSING if it has none.
        value: What the config has there now; MISSING if it has nothing.

    Returns:
        The annotation's types and the value's own. Without an annotation the value and the default
        speak for themselves: a whole number may become a fraction, and anything None.
    """
    said = of_annotation(annotation)
    known = bool(said.kinds)
    if known and default is None:
        said |= Wanted(frozenset({"None"}))
    if not known and default is not MISSING and default is not None:
        said = of_value(default, strict=False)
    if value is MISSING or value is None:
        return said
    now = of_value(value, strict=known)
    if not now.kinds:
        return said
    if not known:
        now = replace(now, kinds=now.kinds | {"None"})
    result = now | said if said.kinds else now
    return replace(result, now=kind_of(value), choices=said.choices)


def kind_of(value: Any) -> str:
    """Of 'bool', 'int', 'float', 'str', 'sequence', 'dict' and 'None'; '' for anything else."""
    kinds = {
        bool: "bool",
        int: "int",
        float: "float",
        str: "str",
        (list, tuple): "sequence",
        Mapping: "dict",
        type(None): "None",
    }
    return next((kind for type_, kind in kinds.items() if isinstance(value, type_)), "")


def of_value(value: Any, strict: bool) -> Wanted:
    """What may stand in the place of a value: its own kind, and whole numbers for fractions.

    Args:
        value: Any value of a config.
        strict: Whether a whole number must stay one.
    """
    kind = kind_of(value)
    if kind in ("", "None"):
        return ANYTHING
    if kind == "float" or (kind == "int" and not strict):
        return Wanted(frozenset({"int", "float"}))
    if kind != "sequence":
        return Wanted(frozenset({kind}))
    elements = [of_value(one, strict) for one in value]
    element = reduce(Wanted.__or__, elements) if elements else None
    return Wanted(frozenset({kind}), element, type(value))


def of_annotation(annotation: Any) -> Wanted:
    """What an annotation allows, as far as a config can hold it."""
    found = _of_annotation(annotation)
    kinds = found.kinds - {"object"}
    return replace(found, kinds=kinds) if kinds else ANYTHING


def _of_annotation(annotation: Any) -> Wanted:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return Wanted(frozenset({"None"}))
    if origin is Annotated:
        return _of_annotation(arguments[0])
    if origin in (Union, types.UnionType):
        return reduce(Wanted.__or__, map(_of_annotation, arguments))
    if origin is Literal:
        kinds = frozenset(map(kind_of, arguments))
        return Wanted(kinds, choices=tuple(one for one in arguments if one is not None))
    kind = origin or annotation
    if not inspect.isclass(kind) or kind is object:
        return ANYTHING
    if issubclass(kind, bool):
        return Wanted(frozenset({"bool"}))
    if issubclass(kind, numbers.Integral):
        return Wanted(frozenset({"int"}))
    if issubclass(kind, numbers.Number):
        return Wanted(frozenset({"int", "float"}))
    if issubclass(kind, (str, os.PathLike)):
        return Wanted(frozenset({"str"}))
    if issubclass(kind, Mapping):
        return Wanted(frozenset({"dict"}))
    # a tensor is a Collection, too, by its methods
    if issubclass(kind, (Sequence, Set)) or kind in (Collection, Iterable):
        elements = [_of_annotation(one) for one in arguments if one is not Ellipsis]
        element = reduce(Wanted.__or__, elements) if elements else None
        container = kind if kind in (list, tuple) else None
        return Wanted(frozenset({"sequence"}), element, container)
    return _OBJECT
