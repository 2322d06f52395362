"""From the words of a command line to the values of a config."""

from __future__ import annotations

import argparse
import ast
import difflib
import math
import re
from collections.abc import Sequence
from typing import Any

from .wanted import ANYTHING, Wanted

_NONE = ("None", "null")
_BOOLEANS = {"true": True, "false": False}
_OPENING, _CLOSING = "([{", ")]}"


class UnfitError(ValueError):
    """A text is not what an option takes; the message says what is, and how it is written."""


class OptionsAction(argparse.Action):
    """KEY=VALUE words, kept as texts: what a value means depends on the config that it changes."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        options = dict(getattr(namespace, self.dest) or {})
        for word in [values] if isinstance(values, str) else values or ():
            key, equals, text = word.partition("=")
            if not equals or not all(key.split(".")) or not key.isprintable():
                parser.error(f"{option_string} {word}: write KEY=VALUE, such as max_epochs=20")
            options[key] = text
        setattr(namespace, self.dest, options)


def value_of(text: str, wanted: Wanted) -> Any:
    """The value that a text stands for, where the option says what it takes.

    Text stays as it was typed wherever text is meant, with its commas, blanks and digits. A single
    value for a list becomes a list of one. What may be anything is read as by mmengine.

    Args:
        text: From the command line.
        wanted: What the option takes.

    Raises:
        UnfitError: it takes no such value, or it cannot be told which of two meanings is meant.
    """
    value = _taken(text, wanted)
    _check_dumpable(value)
    return value


def _taken(text: str, wanted: Wanted) -> Any:
    bare = text.strip()
    if wanted.choices:
        return _chosen(bare, wanted)
    quoted = _quoted(bare)
    if quoted is not None:
        if wanted.takes("str") or (not wanted.kinds and quoted[:1] not in _OPENING):
            return quoted
        bare = quoted.strip()
    if bare in _NONE and (wanted.takes("None") or not wanted.kinds):
        return None
    if not wanted.kinds:
        return guess(bare)
    scalar = _scalar(bare, wanted)
    if scalar is not None:
        return scalar
    structured = _structured(bare, wanted)
    if structured is not None:
        return structured
    if wanted.takes("str"):
        return text
    raise UnfitError(f"{wanted.in_words()} is needed{_example(wanted)}")


def _chosen(text: str, wanted: Wanted) -> Any:
    """One of a few values; quotes around it do not matter."""
    plain = text.strip("'\"")
    for choice in wanted.choices:
        if plain == str(choice):
            return choice
    if plain in _NONE and wanted.takes("None"):
        return None
    close = difflib.get_close_matches(plain, list(map(str, wanted.choices)), 1)
    raise UnfitError(
        f"{wanted.in_words()} is needed" + (f"; did you mean {close[0]}?" if close else "")
    )


def _scalar(text: str, wanted: Wanted) -> bool | int | float | None:
    """A truth value or a number, if one is wanted and the text is one.

    Raises:
        UnfitError: the number is no whole one, or infinite.
    """
    if wanted.takes("bool") and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    number = _number(text)
    if number is None:
        return None
    if not math.isfinite(number):
        if wanted.takes("str") or not wanted.takes("float"):
            return None
        raise UnfitError("a finite number is needed")
    if wanted.takes("float") or (wanted.takes("int") and isinstance(number, int)):
        return number
    if wanted.takes("int") and number.is_integer():  # 1e4
        return int(number)
    return None


def _structured(text: str, wanted: Wanted) -> Any:
    """A list or a group of entries, if one is wanted and the text is one; a single value becomes
    a list of one where nothing else is wanted.

    Raises:
        UnfitError: an element is not what it must be, or text or list may be meant.
    """
    if wanted.takes("dict") and (text[:1] == "{" or text.startswith("dict(")):
        return _group(text)
    if not wanted.takes("sequence"):
        return None
    brackets = _in_brackets(text)
    if not brackets and wanted.takes("str"):
        if wanted.now == "str" or "," not in text:
            return None
        _refuse_ambiguous(text)
    elements = split(text[1:-1] if brackets else text)
    container = wanted.container or (tuple if text[:1] == "(" else list)
    try:
        return container(_taken(one.strip(), wanted.element or ANYTHING) for one in elements)
    except UnfitError as error:
        others = wanted.kinds - {"sequence", "None"}
        if brackets or not others:
            raise UnfitError(f"{wanted.in_words()} is needed{_example(wanted)}") from error
        return None


def guess(text: str) -> Any:
    """What mmengine reads a text as, but that blanks stay, and paths with commas are refused.

    Raises:
        UnfitError: brackets do not match, or a path has a comma in it.
    """
    text = text.strip()
    quoted = _quoted(text)
    if quoted is not None and quoted[:1] not in _OPENING:
        return quoted
    text = text if quoted is None else quoted
    if text in _NONE:
        return None
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    number = _number(text)
    if number is not None and math.isfinite(number):
        return number
    if text[:1] == "{" or text.startswith("dict("):
        return _group(text)
    if _in_brackets(text):
        container = tuple if text[0] == "(" else list
        return container(map(guess, split(text[1:-1])))
    if "," in text:
        _refuse_ambiguous(text)
        return list(map(guess, split(text)))
    return text


def split(text: str) -> list[str]:
    """The parts between commas that stand in no brackets and no quotes; one comma may end it.

    Raises:
        UnfitError: brackets or quotes do not match.
    """
    parts, open_brackets, quote = [""], [], ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and not parts[-1].strip("([{ "):
            quote = character
        elif character in _OPENING:
            open_brackets.append(character)
        elif character in _CLOSING:
            if not open_brackets or _OPENING.index(open_brackets.pop()) != _CLOSING.index(
                character
            ):
                raise UnfitError(f"the brackets of {text} do not match")
        elif character == "," and not open_brackets:
            parts.append("")
            continue
        parts[-1] += character
    if open_brackets or quote:
        raise UnfitError(f"the {'quotes' if quote else 'brackets'} of {text} do not match")
    return parts if parts[-1].strip() else parts[:-1]


def _in_brackets(text: str) -> bool:
    """Whether one pair of brackets holds all of it."""
    return text[:1] in ("(", "[") and len(split(text)) == 1 and text[-1] in ")]"


def _group(text: str) -> dict:
    """A dict written in Python, ``{'type': 'BN'}`` or ``dict(type='BN')``."""
    try:
        value = _literal(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError) as error:
        raise UnfitError("a group is written as in Python, such as \"dict(type='BN')\"") from error
    return value


def _literal(node: ast.expr) -> Any:
    """ast.literal_eval, and ``dict(...)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        if node.args or any(one.arg is None for one in node.keywords):
            raise ValueError("dict() takes names and values")
        return {one.arg: _literal(one.value) for one in node.keywords}
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(one) for one in node.keys]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, (ast.List, ast.Tuple)):
        container = list if isinstance(node, ast.List) else tuple
        return container(map(_literal, node.elts))
    return ast.literal_eval(node)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _quoted(text: str) -> str | None:
    """What stands between the quotes of a Python string; None: it is none."""
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        return None
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None


def _refuse_ambiguous(text: str) -> None:
    if "/" in text or "\\" in text:
        raise UnfitError(
            "a path or a list may be meant; write one path "
            f"'\"{text}\"', with both quotes, and a list '[{text}]'"
        )


def _example(wanted: Wanted) -> str:
    """How a list or a group is written."""
    if not wanted.takes("sequence"):
        return ", such as \"dict(type='BN')\"" if wanted.takes("dict") else ""
    element = wanted.element or ANYTHING
    numbers = element.takes("int") or not element.kinds
    left, right = ("(", ")") if wanted.container is tuple else ("[", "]")
    return f', such as "{left}{"3,2,1" if numbers else "a,b"}{right}"'


def _check_dumpable(value: Any) -> None:
    """Refuse text that would be another one in the dumped config.

    Raises:
        UnfitError: it has mmengine's double braces, or bytes that are no text.
    """
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for one in value:
            _check_dumpable(one)
    if not isinstance(value, str):
        return
    if re.search(r"\{\{.*\}\}", value, flags=re.DOTALL):
        raise UnfitError(
            "text in {{double braces}} is for config files; it would be replaced there"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnfitError("it holds bytes that are no text in UTF-8") from error
