"""Text for messages of one line."""

from __future__ import annotations

import os


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line_path(path: str) -> str:
    """A path that fits one line and any terminal.

    Line breaks, control characters and bytes that are no text are escaped; all else, é and emoji
    included, stays as it is.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in path
    )


def shown_path(path: str | os.PathLike) -> str:
    """A path relative to the current folder where it lies below it, absolute elsewhere."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith(os.pardir) else relative
