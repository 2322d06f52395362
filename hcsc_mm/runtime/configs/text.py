"""The config inside a checkpoint, read as data.

mmengine saves it as Python text, and its own reader runs that text. A checkpoint may come from
anywhere: here the text is taken apart, and only literals and ``dict(…)`` mean anything.
"""

from __future__ import annotations

import ast
from typing import Any

from mmengine.config import Config

from ...errors import HCSCError

_NAMES = {"inf": float("inf"), "nan": float("nan")}  # as Python prints them
_CONTAINERS = {"dict": dict, "list": list, "tuple": tuple, "set": set}


def read_config_text(text: str, where: str) -> Config:
    """The config that a text says, without running it.

    Args:
        text: Assignments of literals, and of ``dict(…)`` of such, as ``Config.pretty_text`` makes
            them; nothing else is understood.
        where: Name of the file, for the message.

    Raises:
        HCSCError: the text is no such thing; names the line.
    """
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise HCSCError(f"the config in {where} is no config text ({error}); {_ADVICE}") from None
    entries: dict[str, Any] = {}
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        if (
            not isinstance(statement, ast.Assign)
            or len(statement.targets) != 1
            or not isinstance(statement.targets[0], ast.Name)
        ):
            raise HCSCError(
                f"line {statement.lineno} of the config in {where} is no plain assignment; "
                f"{_ADVICE}"
            )
        entries[statement.targets[0].id] = _value(statement.value, where)
    return Config(entries)


_ADVICE = "give the config file that the model was trained with"


def _value(node: ast.expr, where: str) -> Any:
    """A literal, or containers of such."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _value(node.operand, where)
        if isinstance(number, (int, float)):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        items = [_value(item, where) for item in node.elts]
        return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key, where) for key in node.keys]
        return dict(zip(keys, (_value(item, where) for item in node.values), strict=True))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, where)
    raise HCSCError(
        f"line {node.lineno} of the config in {where} holds more than literals "
        f"({ast.unparse(node)[:60]!r}), which is not run; {_ADVICE}"
    )


def _call(node: ast.Call, where: str) -> Any:
    """``dict(key=…)``, and the empty containers that have no literal of their own."""
    container = _CONTAINERS.get(node.func.id)
    if container is dict and not node.args and all(word.arg for word in node.keywords):
        return {word.arg: _value(word.value, where) for word in node.keywords}
    if container is not None and not node.args and not node.keywords:
        return container()
    raise HCSCError(
        f"line {node.lineno} of the config in {where} calls {node.func.id}(), which is not run; "
        f"{_ADVICE}"
    )
