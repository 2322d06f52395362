"""Addresses of stores on this machine: their images cost no more to read than files do."""

from __future__ import annotations

ARCHIVE = "archive"  # a zip or tar as a folder
SHARDS = "shards"  # tar shards with an index
ROWS = "hf"  # a Hugging Face data set


def is_local_store(path: str, stores: tuple[str, ...] = (ARCHIVE, SHARDS, ROWS)) -> bool:
    """Whether a path is an address in one of these stores."""
    return path.partition("://")[0] in stores and "://" in path
