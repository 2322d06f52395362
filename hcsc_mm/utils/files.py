"""Files that are whole or not there: written aside, read back, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from .safe_load import find_damage

WHOLE_FILES = "hcsc_mm.whole_files"  # the name of the back end below in backend_args
_ASIDE = ".part"  # what is being written has this ending, and no loader looks for it


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[str]:
    """A name to write to, which becomes ``path`` when the body ends well.

    On an error nothing is left behind, and a file that had the name before is still there. Folders
    on the way are made.

    Raises:
        OSError: it cannot be written, or what was written is not what arrived.
    """
    folder = os.path.dirname(os.path.abspath(path))
    aside = f"{os.fspath(path)}{_ASIDE}"
    try:
        os.makedirs(folder, exist_ok=True)
        yield aside
        with open(aside, "rb") as file:
            # before the rename: after a power cut the name must not stand for an empty file
            os.fsync(file.fileno())
        problem = find_damage(aside) if os.fspath(path).endswith(".pth") else None
        if problem is not None:
            raise OSError(f"{aside} was not written as it should ({problem})")
        os.replace(aside, path)
        _sync_folder(folder)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def why_not_writable(folder: str | os.PathLike) -> str | None:
    """What keeps files from being made in a folder that may not be there yet; None: nothing is
    seen that does.
    """
    there = Path(folder).absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to"


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """A file with this content, whole or not at all."""
    with written_whole(path) as aside:
        Path(aside).write_bytes(content)
        # Some file systems report a full disk or a lost server only when the file is read again.
        size = os.path.getsize(aside)
        if size != len(content):
            raise OSError(
                f"{aside} was not written as it should ({size} of {len(content)} bytes arrived)"
            )


def write_text(path: str | os.PathLike, text: str) -> None:
    """A text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


class WholeFiles(LocalBackend):
    """mmengine's local files, with a name that always stands for a whole file."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj``, whole or not at all."""
        write_bytes(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        write_bytes(filepath, obj.encode(encoding))


register_backend(WHOLE_FILES, WholeFiles, force=True)


def remove_unfinished(folder: str | os.PathLike) -> list[str]:
    """Delete what a killed run was writing when it died; returns the names."""
    unfinished = sorted(Path(folder).glob(f"*{_ASIDE}"))
    for path in unfinished:
        path.unlink(missing_ok=True)
    return [path.name for path in unfinished]


def _sync_folder(folder: str) -> None:
    """Make the rename itself last; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
