"""What a run says in its log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from mmengine.logging import MMLogger


class Line(NamedTuple):
    """A line of the log."""

    level: int
    text: str


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Line]]:
    """The lines that mmengine's logger gets meanwhile, also those that it says only once in a
    process.
    """
    lines: list[Line] = []

    def note(level: int, text: str, *args, **kwargs) -> None:
        lines.append(Line(level, str(text)))

    log = MMLogger.get_current_instance()
    with monkeypatch.context() as patch:
        patch.setattr(log, "log", note)
        for name, level in (("info", logging.INFO), ("warning", logging.WARNING)):
            patch.setattr(log, name, lambda text, *args, level=level, **_: note(level, text))
        yield lines
