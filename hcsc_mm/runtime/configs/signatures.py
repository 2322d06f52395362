"""Which arguments a constructor takes, also those that it hands on to its base classes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any

Parameters = Mapping[str, inspect.Parameter]
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Arguments:
    """The arguments of a class or function.

    Attributes:
        parameters: By name, with the annotations evaluated where they can be.
        closed: Whether these are all. Otherwise ``**kwargs`` goes where nobody can follow it.
    """

    parameters: Parameters
    closed: bool


@cache
def arguments_of(target: Callable) -> Arguments:
    """What may be given to a class or a function by name.

    ``**kwargs`` of a constructor is followed to the next constructor in the method resolution
    order, as long as it is only handed on there, or read under names that stand in the code
    (``kwargs.get('by_epoch')``).
    """
    if isinstance(target, partial):  # what stands behind it takes the rest
        return Arguments({}, closed=False)
    if not inspect.isclass(target):
        parameters, keywords = _signature(target)
        return Arguments(parameters, closed=keywords is None)
    found: dict[str, inspect.Parameter] = {}
    for owner in target.__mro__:
        constructor = vars(owner).get("__init__")
        if constructor is None:
            continue
        if owner is object:  # takes nothing
            return Arguments(found, closed=True)
        parameters, keywords = _signature(constructor, bound=True)
        found = {**parameters, **found}
        if keywords is None:
            return Arguments(found, closed=True)
        names = _names_read(constructor, keywords)
        if names is None:
            return Arguments(found, closed=False)
        for name in names:
            found.setdefault(
                name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            )
    return Arguments(found, closed=True)


def fields_of(target: type) -> Arguments:
    """The fields of a dataclass, as arguments."""
    taken = arguments_of(target).parameters
    return Arguments({one.name: taken[one.name] for one in fields(target) if one.init}, closed=True)


def _signature(function: Callable, bound: bool = False) -> tuple[Parameters, str | None]:
    """Parameters by name, and what ``**kwargs`` is called there."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):  # written in C: takes what it takes
        return {}, "kwargs"
    names = [one.name for one in parameters if one.kind is inspect.Parameter.VAR_KEYWORD]
    known = {
        one.name: one.replace(annotation=_evaluated(one.annotation, function))
        for one in parameters[1 if bound else 0 :]
        if one.kind not in _VARIADIC and one.kind is not inspect.Parameter.POSITIONAL_ONLY
    }
    return known, names[0] if names else None


def _evaluated(annotation: Any, function: Callable) -> Any:
    """An annotation that is text, as what it says; one that names what is imported for type
    checkers only says nothing.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except (NameError, AttributeError, TypeError, SyntaxError):
        return inspect.Parameter.empty


def _names_read(constructor: Callable, keywords: str) -> set[str] | None:
    """Names under which a constructor reads its ``**keywords`` itself, if besides it only hands
    them on to another constructor; None: it does something else with them.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    except (OSError, TypeError, SyntaxError):
        return None
    names, understood, handed_on = set(), set(), False
    for node in ast.walk(tree):
        for used, name in _uses(node, keywords):
            understood.add(used)
            if name is None:
                handed_on = True
            else:
                names.add(name)
    seen = {node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == keywords}
    return names if handed_on and seen == understood else None


def _uses(node: ast.AST, keywords: str) -> list[tuple[ast.AST, str | None]]:
    """Where a node uses ``keywords`` in a way that can be followed, and the name that it reads
    there; no name: it hands all of them on.
    """

    def is_keywords(one: ast.AST) -> bool:
        return isinstance(one, ast.Name) and one.id == keywords

    def is_text(one: ast.AST) -> bool:
        return isinstance(one, ast.Constant) and isinstance(one.value, str)

    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "__init__":
            return [
                (one.value, None)
                for one in node.keywords
                if one.arg is None and is_keywords(one.value)
            ]
        if (
            node.func.attr in ("get", "pop", "setdefault")
            and is_keywords(node.func.value)
            and node.args
            and is_text(node.args[0])
        ):
            return [(node.func.value, node.args[0].value)]
    if isinstance(node, ast.Subscript) and is_keywords(node.value) and is_text(node.slice):
        return [(node.value, node.slice.value)]
    if (
        isinstance(node, ast.Compare)
        and len(node.ops) == 1
        and isinstance(node.ops[0], (ast.In, ast.NotIn))
        and is_text(node.left)
        and is_keywords(node.comparators[0])
    ):
        return [(node.comparators[0], node.left.value)]
    return []
