"""How a run that fails says so: one line for what a user can mend, and one rank with the word."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

import torch
from mmengine.dist import is_distributed, is_main_process
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from ..errors import HCSCError
from ..utils.ranks import report_failure
from ..utils.text import first_line
from .preemption import PreemptedError

# How a collective ends when a process at its other end is gone.
_LOST_CONNECTION = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
# Dropping tensors takes gloo microseconds, once its threads have a core.
_GLOO_SECONDS = 0.5


@contextmanager
def one_line_errors(interrupted: str = "interrupted; continue with --resume") -> Iterator[None]:
    """Turn a user's mistake into one line on standard error and exit code 1.

    Anything else keeps its traceback. Ctrl-C says ``interrupted`` and exits with 130, as shells
    expect. ``HCSC_TRACEBACK=1`` shows tracebacks of mistakes, too.
    """
    if os.environ.get("HCSC_TRACEBACK"):
        yield
        return
    try:
        yield
    except HCSCError as error:
        sys.exit(f"error: {error.one_line()}")
    except URLError as error:  # a data set or weights that are fetched when they are not there
        sys.exit(
            f"error: a download failed ({error.reason}); put the files in place by hand, or mend "
            "the connection"
        )
    except OSError as error:  # a folder that may not be written, a full disk
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        sys.exit(f"error: {error}")
    except PreemptedError as stop:
        if is_main_process():
            print(stop.message, file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


@contextmanager
def failures_reported() -> Iterator[None]:
    """Let the rank that fails first have the word.

    torchrun gets its traceback, and the others say one line. However it ends, the threads of gloo
    are done before the process is.
    """
    try:
        yield
    except Exception as error:
        mistake = isinstance(error, HCSCError)
        message = error.one_line() if mistake else f"{type(error).__name__}: {first_line(error)}"
        first = report_failure(message)
        if first is not None:
            raise HCSCError(f"stopped because {first} failed, which says why") from None
        lost = next((words for words in _LOST_CONNECTION if words in str(error)), None)
        if lost is not None and is_distributed():
            raise HCSCError(
                f"lost another process ({lost}); it was killed, or says itself what happened"
            ) from None
        if "TORCHELASTIC_ERROR_FILE" in os.environ:
            get_error_handler().record_exception(error)
        raise
    finally:
        _let_gloo_finish()


def _let_gloo_finish() -> None:
    """Give gloo's threads the interpreter once more, to drop the tensors of the last collective.

    One that asks for it while Python is ending is ended itself, in the middle of a destructor, and
    the whole process is aborted: after a run that ended well, and in the place of the exit code
    that asks for another start. Of 56 short runs on a busy machine 4 ended so.
    """
    if is_distributed() and torch.distributed.get_backend() == "gloo":
        time.sleep(_GLOO_SECONDS)
