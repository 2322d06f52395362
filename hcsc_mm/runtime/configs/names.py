"""The values at the top of a config, changed before what follows from them is computed.

A config in mmengine's text form is a Python file whose variables are the config: ``batch_size =
64`` at its top, ``train_dataloader = dict(batch_size=batch_size)`` below. Merging ``batch_size=8``
into the finished dict reaches the first and not the second. So the file, and each file that it
inherits from, is executed with every assignment to a changed name followed by another one, of the
wanted value.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.config.utils import RemoveAssignFromAST

DELETE = "_delete_"  # mmengine's: do not keep the other entries


def read_with(path: str, changes: Mapping[str, Any]) -> Config:
    """Read a config whose values at the top are others.

    Args:
        path: Path of the config file.
        changes: Name → new value, for this file and those that it inherits from. A dict changes
            entries of the dict that the file assigns, at any depth, and keeps the others; elements
            of a list are addressed by '0', '1', …. What is imported, defined or looped over has no
            name in this sense, nor has what begins with an underscore, and all of a pure Python
            config and of one in JSON or YAML: changes of those change nothing.
    """
    if not changes or Config._is_lazy_import(path):
        return Config.fromfile(path)
    with _transforming(partial(_Rebind, changes)):
        return Config.fromfile(path)


def names_assigned_after(path: str, name: str) -> set[str]:
    """Names that are assigned at the top of files which inherit from the last one that assigns
    ``name``; none for what is no config in mmengine's text form.
    """
    _, files = _recorded(path)
    last = max((place for place, names in enumerate(files) if name in names), default=len(files))
    return set().union(*files[last + 1 :])


def values_assigned_again(path: str) -> dict[str, Any]:
    """Values that a file gives to names of files that it inherits from: ``batch_size = 32`` over
    ``batch_size = 64``. Numbers, texts, None and lists of them; groups merge in mmengine's way.
    """
    cfg, files = _recorded(path)
    seen: set[str] = set()
    again: set[str] = set()
    for names in files:
        again |= seen & names
        seen |= names
    values = {name: value for name, value in cfg.to_dict().items() if name in again}
    return {name: value for name, value in values.items() if _is_plain(value) and name[0] != "_"}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _recorded(path: str) -> tuple[Config, list[set[str]]]:
    """A config, and the names that each of its files assigns, inherited files first."""
    if Config._is_lazy_import(path):
        return Config.fromfile(path), []
    files: list[set[str]] = []  # mmengine reads what a file inherits from before the file
    with _transforming(partial(_Record, files)):
        return Config.fromfile(path), files


class _Record(RemoveAssignFromAST):
    """Notes the names that each file assigns at its top.

    Args:
        files: Where they go, a set per file.
        key: mmengine's, see :class:`_Rebind`.
    """

    def __init__(self, files: list[set[str]], key: str) -> None:
        super().__init__(key)
        self.files = files

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Module):
            assigned = (ast.Assign, ast.AnnAssign, ast.AugAssign)
            bound = [_bound_by(one) for one in node.body if isinstance(one, assigned)]
            self.files.append({name for names in bound for name in names})
        return super().visit(node)


@contextmanager
def _transforming(transformer: Callable[[str], ast.NodeTransformer]) -> Iterator[None]:
    """Let mmengine pass config files through another transformer.

    mmengine passes the syntax tree of each file through one transformer, which takes the assignment
    of ``_base_`` out. For as long as this lasts, that is one that does more.
    """
    original = mmengine_config.RemoveAssignFromAST
    mmengine_config.RemoveAssignFromAST = transformer
    try:
        yield
    finally:
        mmengine_config.RemoveAssignFromAST = original


class _Rebind(RemoveAssignFromAST):
    """Puts ``name = <changed value>`` behind every assignment to a changed name.

    Args:
        changes: What the command line changes, see :func:`read_with`.
        key: mmengine's: the name whose assignment is taken out.
    """

    def __init__(self, changes: Mapping[str, Any], key: str) -> None:
        super().__init__(key)
        self.changes = changes

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            return node  # its variables are its own
        kept = super().visit(node)
        if isinstance(node, ast.Module):
            return ast.fix_missing_locations(kept)
        if kept is None or not isinstance(kept, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            return kept
        again = [
            ast.Assign(
                [ast.Name(name, ast.Store())],
                _changed(ast.Name(name, ast.Load()), self.changes[name]),
            )
            for name in _bound_by(kept)
            if name in self.changes and not name.startswith("_")
        ]
        return [kept, *again]


def _bound_by(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[str]:
    """The names that a statement gives a value to."""
    if node.value is None:  # an annotation alone
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [
        part.id
        for target in targets
        for part in ast.walk(target)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    ]


def _changed(old: ast.expr, change: Any) -> ast.expr:
    """The expression for a value of which ``change`` says what is new.

    ``old`` is the expression of the old value. Only where ``change`` is a dict is it needed.
    """
    if not isinstance(change, dict):
        return ast.parse(repr(change), mode="eval").body
    if change and all(key.isdigit() for key in change):  # elements of a list
        elements: list[ast.expr] = []
        start = 0
        for index in sorted(map(int, change)):
            elements.append(_rest(old, start, index))
            elements.append(_changed(_part(old, ast.Constant(index)), change[str(index)]))
            start = index + 1
        elements.append(_rest(old, start, None))
        return ast.List(elements, ast.Load())
    keys: list[ast.expr | None] = [] if change.get(DELETE) else [None]
    values: list[ast.expr] = [] if change.get(DELETE) else [old]
    for key, new in change.items():
        if key == DELETE:
            continue
        keys.append(ast.Constant(key))
        get = ast.Attribute(old, "get", ast.Load())
        part = ast.Call(get, [ast.Constant(key), ast.Dict([], [])], [])
        values.append(_changed(part, new))
    return ast.Dict(keys, values)


def _part(old: ast.expr, index: ast.expr) -> ast.expr:
    return ast.Subscript(old, index, ast.Load())


def _rest(old: ast.expr, start: int, end: int | None) -> ast.expr:
    """The elements from start to end, to stand in a list."""
    between = ast.Slice(ast.Constant(start), None if end is None else ast.Constant(end))
    return ast.Starred(_part(old, between), ast.Load())
