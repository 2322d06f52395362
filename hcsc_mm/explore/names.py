"""Names of files as text: a file system takes any bytes for a name, Parquet and JSON only UTF-8."""

from __future__ import annotations

import os
import re

_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def name_to_text(name: str) -> str:
    """The name itself if it is text; otherwise with ``\\xe9`` in the place of bytes that are none.

    Args:
        name: A path as Python gives it, with lone surrogates for bytes that are no UTF-8.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def text_to_name(text: str, folder: str = "") -> str:
    """The path that :func:`name_to_text` was given.

    Args:
        text: A path as it stands in the table.
        folder: That it is relative to. A name may hold a backslash and an x of its own: the text is
            taken as it is if there is such a file.
    """
    path = os.path.join(folder, text)
    if not _ESCAPED.search(text) or os.path.lexists(path):
        return path
    restored = _ESCAPED.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text)
    return os.path.join(folder, restored)
