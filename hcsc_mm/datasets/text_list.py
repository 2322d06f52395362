"""Text files with a line for each image."""

from __future__ import annotations

import codecs
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import HCSCError
from ..utils.text import one_line_path
from .file_kinds import same_text
from .listing import is_folder
from .sources import Source, backend_of, is_address

# Byte-order marks of what is no UTF-8; that of UTF-32 begins like that of UTF-16.
_OTHER_TEXT = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_lines(file: str, backend_args: Mapping[str, Any] | None = None) -> list[str]:
    """The lines of a text file without whitespace around them; empty ones keep their places.

    Args:
        file: A path, or an address of mmengine's file back ends.
        backend_args: Arguments of mmengine's file back end.

    Raises:
        HCSCError: it cannot be read, or is no UTF-8 text.
    """
    name = one_line_path(file)
    try:
        if is_address(file):
            content = backend_of(file, backend_args).get(file)
        else:
            with open(file, "rb") as opened:
                content = opened.read()
    except OSError as error:
        raise HCSCError(
            f"cannot read {name} ({error.strerror or error}); mend its path in the config"
        ) from error
    encoding = next(
        (name for mark, name in _OTHER_TEXT.items() if content.startswith(mark)),
        "no text, or UTF-16" if b"\0" in content else None,
    )
    if encoding is not None:
        raise HCSCError(
            f"{name} is {encoding}, not UTF-8; save it as UTF-8 (iconv -f UTF-16 -t UTF-8 does)"
        )
    # Names of files need not be valid text; a byte-order mark is no part of the first name.
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")
    return [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


class FilesThere:
    """Which of many paths exist below a folder.

    Each folder is listed once: asking for a million files one by one takes minutes on a network
    disk.

    Args:
        folder: That paths are relative to.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._names: dict[str, dict[str, bool]] = {}  # of a folder: whether each is one, too
        self._by_text: dict[str, dict[str, str]] = {}

    def find(self, path: str) -> str | None:
        """The path as the file system has it, which may compose its letters otherwise; None if it
        is not there.
        """
        if is_address(path):
            return path  # not here, and not for here to say
        folder, name = os.path.split(path)
        if name in self._entries(folder):
            return path
        if path.isascii() or os.path.isabs(path):
            return None
        parent = self.find(folder) if folder and not self._entries(folder) else folder
        if parent is None:
            return None
        if parent not in self._by_text:
            self._by_text[parent] = {same_text(entry): entry for entry in self._entries(parent)}
        found = self._by_text[parent].get(same_text(name))
        return None if found is None else os.path.join(parent, found)

    def is_folder(self, path: str) -> bool:
        """Whether a path that was found is a folder, and no file."""
        folder, name = os.path.split(path)
        return self._entries(folder).get(name, False)

    def _entries(self, folder: str) -> dict[str, bool]:
        if folder not in self._names:
            try:
                with os.scandir(os.path.join(self.folder, folder)) as entries:
                    self._names[folder] = {one.name: is_folder(one) for one in entries}
            except OSError:
                self._names[folder] = {}
        return self._names[folder]


def find_listed(
    listed: Sequence[tuple[int, Iterable[str]]], source: Source
) -> list[tuple[str, int]]:
    """The images that a list names, as the file system has them.

    Args:
        listed: For each image the number of its line, and what its path may be, the likeliest
            first.
        source: Where they are; only of a local one it is known whether they are there.

    Returns:
        Path, and the place among those that it may be, of each.

    Raises:
        HCSCError: some do not exist; counts them and names the first by its line.
    """
    if not source.is_local:
        return [(next(iter(paths)), 0) for _, paths in listed]
    there, found, missing = FilesThere(source.folder), [], []
    for number, paths in listed:
        candidates = ((there.find(path), place) for place, path in enumerate(paths))
        match = next(((path, place) for path, place in candidates if path is not None), None)
        if match is None:
            missing.append((number, next(iter(paths))))
        else:
            found.append(match)
    folders = [place for place, (path, _) in enumerate(found) if there.is_folder(path)]
    if folders and not missing:
        raise HCSCError(
            f"{len(folders)} of the {len(listed)} images in {one_line_path(source.ann_file)} are "
            f"folders, the first is {one_line_path(found[folders[0]][0])} of line "
            f"{listed[folders[0]][0]}; list their images"
        )
    if missing:
        number, path = missing[0]
        hint = ""
        if "\\" in path and there.find(path.replace("\\", "/")) is not None:
            hint = " (write / for \\)"
        raise HCSCError(
            f"{len(missing)} of the {len(listed)} images in {one_line_path(source.ann_file)} do "
            f"not exist, the first is {one_line_path(source.path(path))} of line {number}{hint}; "
            "mend the list, or data_root and data_prefix, which its paths are relative to"
        )
    return found


def lines_by_number(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Those that are not empty, counted from 1."""
    return [(number, line) for number, line in enumerate(lines, start=1) if line]


def repeated(names: Iterable[str]) -> dict[str, list[int]]:
    """Names that come more than once, each with its places."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[same_text(os.path.normpath(name))].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}
