"""A console that shows what a run does, while its log file holds everything."""

from __future__ import annotations

import logging

from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Beginnings of mmengine's messages that are for the file: hundreds of lines of environment, config
# and hooks, a line every few steps, in whose place ProgressHook has one a minute, and what only
# mmengine itself can mend.
_FOR_THE_FILE = (
    "\n------------------------------------------------------------\nSystem environment:",
    "Config:\n",
    "Hooks will be executed in the following order:",
    "Exp name: ",
    "Epoch(train)",
    "Iter(train)",
    '"FileClient" will be deprecated',  # of mmengine's own checkpoint hook
    '"HardDiskBackend" is the alias',
)


class ConsoleRunner(Runner):
    """mmengine's ``Runner``, of whose messages the console shows those that somebody waits for."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """mmengine's logger; its handlers that write to a file get all messages."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_the_console)
        return logger


def _is_for_the_console(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_FOR_THE_FILE)


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3 h 20 min', '2 d 4 h'."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"
