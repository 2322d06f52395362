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


# When a run is no longer refused: its hooks have looked at all that there is to look at.
_BEGUN = ("before_train_epoch", "before_val", "before_test")


class ConsoleRunner(Runner):
    """mmengine's ``Runner``, of whose messages the console shows those that somebody waits for.

    The copy of its config comes to the work folder when the run has begun: one that is refused
    leaves there what another run has written.
    """

    _has_begun = False

    def dump_config(self) -> None:
        """As mmengine, but not before the run has begun."""
        if self._has_begun:
            super().dump_config()

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """As mmengine."""
        super().call_hook(fn_name, **kwargs)
        if fn_name in _BEGUN and not self._has_begun:
            self._has_begun = True
            self.dump_config()

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
