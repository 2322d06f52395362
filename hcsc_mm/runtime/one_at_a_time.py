"""One run at a time in a work folder."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mmengine.logging import print_log

from ..errors import HCSCError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_FILE = ".running"
_OTHER_MACHINE = 120.0  # seconds until a file server notices that a machine is gone
_THIS_MACHINE = 15.0  # until a process that was told to stop has ended
_STEP = 1.0


@contextmanager
def alone_in(folder: str, seconds: float = _OTHER_MACHINE) -> Iterator[None]:
    """Keep other processes from training in a work folder while the body runs.

    The lock is a record lock (``fcntl.lockf``) of the file ``.running``: it ends with its process,
    however that ends, loader workers do not inherit it, and a process does not wait for itself.
    Where there are no such locks (Windows, some file systems) nothing is kept from anybody.

    Args:
        folder: The work folder; it is there.
        seconds: How long to wait for a holder on another machine, which may be gone; for one on
            this machine 15 at most.

    Raises:
        HCSCError: another process trains there; says which.
    """
    file = None if fcntl is None else _locked(os.path.join(folder, _FILE), folder, seconds)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                os.unlink(os.path.join(folder, _FILE))
            os.close(file)


def _locked(path: str, folder: str, seconds: float) -> int | None:
    """The open file; None where it cannot be locked."""
    said, begin = False, time.monotonic()
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:  # whatever writes there first says why
            return None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            host, _, process = os.read(file, 1000).decode(errors="replace").partition(" ")
            os.close(file)
            here = host == socket.gethostname()
            limit = min(seconds, _THIS_MACHINE) if here else seconds
            if time.monotonic() - begin >= limit:
                raise HCSCError(
                    f"process {process or '?'} on {host or 'another machine'} trains in {folder} "
                    "already; let it end, or choose another --work-dir"
                ) from None
            if not said:
                print_log(f"waits for process {process} on {host}, which trains here", "current")
            said = True
            time.sleep(_STEP)
            continue
        except OSError:  # no locks here
            os.close(file)
            return None
        if _is_still(path, file):
            os.truncate(file, 0)
            os.pwrite(file, f"{socket.gethostname()} {os.getpid()}".encode(), 0)
            return file
        os.close(file)  # its holder has ended and removed it meanwhile


def _is_still(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except OSError:
        return False
