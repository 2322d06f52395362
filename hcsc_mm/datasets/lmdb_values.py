"""What an LMDB says of its values without reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmengine.fileio import LmdbBackend
from numpy.typing import NDArray

from ..errors import HCSCError
from ..utils.text import first_line, one_line_path


def value_sizes(base: LmdbBackend, keys: Iterable[str]) -> NDArray[np.int64]:
    """(N,) bytes of the values of keys; −1 where there is no such key.

    A value is mapped, and its pages are not read: a million take seconds.

    Raises:
        HCSCError: the data base cannot be opened.
    """
    with _opened(base) as client, client.begin(write=False, buffers=True) as step:
        values = (step.get(key.encode("ascii")) if _is_key(key) else None for key in keys)
        return np.array([-1 if value is None else len(value) for value in values], dtype="<i8")


def value_beginning(base: LmdbBackend, key: str, size: int) -> bytes:
    """The first bytes of a value, as many as are asked for; nothing where there is no such key.

    Raises:
        HCSCError: the data base cannot be opened.
    """
    if not _is_key(key):
        return b""
    with _opened(base) as client, client.begin(write=False, buffers=True) as step:
        value = step.get(key.encode("ascii"))
        return b"" if value is None else bytes(value[:size])


@contextmanager
def _opened(base: LmdbBackend) -> Iterator[Any]:
    """The environment, which a process opens but once: the one that mmengine reads images by, or
    while it has none, one that is closed again, so that workers inherit none by this.
    """
    if base._client is not None:
        yield base._client
        return
    try:
        import lmdb
    except ImportError as error:
        raise HCSCError(f"LMDB is read by lmdb ({error}); pip install lmdb") from None
    try:
        client = base._get_client()
    except lmdb.Error as error:
        raise HCSCError(
            f"the data base {one_line_path(base.db_path)} cannot be read ({first_line(error)}); "
            "mend it, or db_path in backend_args"
        ) from error
    with client:
        yield client


def _is_key(name: str) -> bool:
    """Whether mmengine can ask for it; an empty key is none."""
    return name.isascii() and name != ""
