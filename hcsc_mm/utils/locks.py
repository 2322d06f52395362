"""A file that one process at a time holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from ..errors import HCSCError


@contextmanager
def held(path: str | os.PathLike, seconds: float = 0.0) -> Iterator[bool]:
    """Hold a lock while the body runs, unless another process holds it.

    The lock is the system's (flock), and ends with the process that holds it, however that ends.
    Its file stays: if it were removed, a third process could lock a new one of the same name while
    the second still waits for the old one.

    Args:
        path: File of the lock; it and its folders are made.
        seconds: How long to wait for another holder; 0 (the default): not at all.

    Yields:
        Whether this process holds the lock.

    Raises:
        HCSCError: no lock can be had there, as the folder cannot be written to or its file system
            has no locks.
    """
    lock = FileLock(path)
    ours = _acquired(lock, seconds)
    try:
        yield ours
    finally:
        if ours:
            lock.release()


def _acquired(lock: FileLock, seconds: float) -> bool:
    try:
        os.makedirs(os.path.dirname(os.path.abspath(lock.lock_file)), exist_ok=True)
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        raise HCSCError(
            f"{lock.lock_file} cannot be locked ({error}); choose a folder that can be written to, "
            "on a file system with locks"
        ) from None
    return True
