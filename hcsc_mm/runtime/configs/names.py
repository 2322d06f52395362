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
from types import MappingProxyType
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.config.utils import RemoveAssignFromAST

DELETE = "_delete_"  # mmengine's: do not keep the other entries
COMPUTED = object()  # the value of a name that follows from others
# What the code of a config file may raise. An interrupt is none of it.
RAISED_BY_CONFIGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def read_with(
    path: str, changes: Mapping[str, Any], again: Mapping[str, Any] = MappingProxyType({})
) -> Config:
    """Read a config whose values at the top are others.

    Args:
        path: Path of the config file.
        changes: Name → new value, for this file and those that it inherits from. A dict changes
            entries of the dict that the file assigns, at any depth, and keeps the others; elements
            of a list are addressed by '0', '1', …. What is imported, defined or looped over has no
            name in this sense, nor has what begins with an underscore, and all of a pure Python
            config and of one in JSON or YAML: changes of those change nothing.
        again: From :func:`assigned_again`. What the last file assigns to these names, computed with
            the changes, takes the place of what the files above it assign, if it is a number, a
            text, None or a list of them; groups merge in mmengine's way.
    """
    values = {name: value for name, value in again.items() if value is not COMPUTED}
    cfg = _read(path, {**values, **changes})
    computed = {
        name: value
        for name, value in cfg.to_dict().items()
        if again.get(name) is COMPUTED and name not in changes and is_plain(value)
    }
    return _read(path, {**values, **computed, **changes}) if computed else cfg


def _read(path: str, changes: Mapping[str, Any]) -> Config:
    if not changes or Config._is_lazy_import(path):
        return Config.fromfile(path)
    with _transforming(partial(_Rebind, changes)):
        return Config.fromfile(path)


def names_assigned_after(path: str, name: str) -> set[str]:
    """Names that are assigned at the top of files which inherit from the last one that assigns
    ``name``; none for what is no config in mmengine's text form.
    """
    files = _recorded(path)
    last = max((at for at, file in enumerate(files) if name in file.assigned), default=len(files))
    return set().union(*(file.assigned for file in files[last + 1 :]))


def assigned_again(path: str) -> dict[str, Any]:
    """Names to which a file and one that it inherits from assign values, ``batch_size = 32`` over
    ``batch_size = 64``, if a file above the last one reads them, with the value; COMPUTED for one
    that is no literal, such as ``lr = 0.1 * batch_size``.
    """
    seen: set[str] = set()
    read: set[str] = set()
    again: dict[str, Any] = {}
    for file in _recorded(path):
        both = seen & read
        again |= {name: value for name, value in file.assigned.items() if name in both}
        seen |= file.assigned.keys()
        read |= file.read
    return {
        name: value
        for name, value in again.items()
        if name[0] != "_" and (value is COMPUTED or is_plain(value))
    }


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, None or a list of them."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


class _File(NamedTuple):
    """What a config file does at its top.

    Attributes:
        assigned: Name → value, see :func:`assigned_again`.
        read: Names that it reads.
    """

    assigned: dict[str, Any]
    read: set[str]


def _recorded(path: str) -> list[_File]:
    """What each file of a config does, inherited files first; nothing for a pure Python config."""
    if Config._is_lazy_import(path):
        return []
    files: list[_File] = []  # mmengine reads what a file inherits from before the file
    with _transforming(partial(_Record, files)):
        Config.fromfile(path)
    return files


class _Record(RemoveAssignFromAST):
    """Notes what each file does at its top.

    Args:
        files: Where it goes.
        key: mmengine's, see :class:`_Rebind`.
    """

    def __init__(self, files: list[_File], key: str) -> None:
        super().__init__(key)
        self.files = files

    def visit(self, node: ast.AST) -> Any:
        """As mmengine's; of a whole file, note it before."""
        if isinstance(node, ast.Module):
            assigned = (ast.Assign, ast.AnnAssign, ast.AugAssign)
            found: dict[str, Any] = {}
            for one in node.body:
                if isinstance(one, assigned):
                    found |= dict.fromkeys(_bound_by(one), _value_of(one))
            self.files.append(_File(found, _names_read(node)))
        return super().visit(node)


def _names_read(file: ast.Module) -> set[str]:
    """Names that a file's code reads, its own and those of ``_base_``."""
    names = set()
    for node in ast.walk(file):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return names


def _value_of(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Any:
    """The value of an assignment to one name, if it is a literal; else COMPUTED."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(node, ast.AugAssign) or not all(isinstance(one, ast.Name) for one in targets):
        return COMPUTED
    try:
        return ast.literal_eval(node.value)
    except (ValueError, TypeError):
        return COMPUTED


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
