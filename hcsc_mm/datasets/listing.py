"""The images under a folder, an archive or an address."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmengine.logging import print_log

from ..errors import HCSCError
from ..utils.text import one_line_path
from .file_kinds import describe_left_out, ending_of, not_of_the_set


@dataclass
class Listing:
    """What was found.

    Attributes:
        paths: Paths of the images, relative to where they were looked for, sorted.
        unlisted: Ending → files of other kinds.
        left_out: What systems put there (:func:`not_of_the_set`) → how often.
    """

    paths: list[str] = field(default_factory=list)
    unlisted: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def take(self, path: str, name: str, extensions: tuple[str, ...]) -> None:
        if name.lower().endswith(extensions):
            self.paths.append(path)
        else:
            self.unlisted[ending_of(name)] += 1

    def log(self, where: str) -> None:
        """How many images there are, and how many files of which kinds were not taken."""
        text, has_pictures = describe_left_out(self.unlisted, self.left_out)
        print_log(
            f"{len(self.paths):,} images under {one_line_path(where)}{'; ' if text else ''}{text}",
            "current",
            level=30 if has_pictures else 20,
        )


def list_images(folder: str, extensions: Sequence[str]) -> list[str]:
    """Paths of images under a folder, relative to it and sorted, see :func:`walk`."""
    return walk(folder, extensions).paths


def walk(folder: str, extensions: Sequence[str]) -> Listing:
    """All under a local folder.

    Everything with an image's extension that is no folder is listed, so that links without a
    target, pipes and the like are not lost in silence: whoever loads them says what they are. Names
    that begin with a dot, and those that systems put there, are left out and counted. Links to
    folders are followed, but each folder is listed once, under its own name if it has one here:
    links may form loops.

    Raises:
        HCSCError: a folder cannot be listed.
    """
    found, endings = Listing(), tuple(extensions)
    entered: set[tuple[int, int]] = set()  # device and inode of folders
    folders, links, twice = [""], [], []
    while folders or links:  # links wait until all folders are listed under their own names
        relative = folders.pop() if folders else links.pop(0)
        identity, entries = _scan(os.path.join(folder, relative))
        if identity in entered:
            twice.append(relative)
            continue
        entered.add(identity)
        for entry in entries:
            path = os.path.join(relative, entry.name)
            other = not_of_the_set(entry.name)
            if other is not None:
                found.left_out[other] += 1
            elif is_folder(entry):
                (links if entry.is_symlink() else folders).append(path)
            else:
                found.take(path, entry.name, endings)
    if twice:
        first = one_line_path(os.path.join(folder, min(twice)))
        print_log(
            f"{len(twice)} links to folders that are listed anyway are not followed, the first is "
            f"{first}",
            "current",
            level=30,
        )
    found.paths.sort()
    return found


def pick(names: Iterable[str], extensions: Sequence[str]) -> Listing:
    """Of the names that an archive or a file back end lists, '/' between folders."""
    found, endings = Listing(), tuple(extensions)
    for name in names:
        *folders, last = name.split("/")
        other = next(filter(None, map(not_of_the_set, [*folders, last])), None)
        if other is not None:
            found.left_out[other] += 1
        else:
            found.take(name, last, endings)
    found.paths.sort()
    return found


def _scan(folder: str) -> tuple[tuple[int, int], list[os.DirEntry]]:
    """What the folder is, and its entries, sorted."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        advice = "mend data_root or data_prefix" if gone else "make it readable, or move it away"
        raise HCSCError(
            f"cannot list the image folder {one_line_path(folder)} ({error.strerror}); {advice}"
        ) from error
    return (status.st_dev, status.st_ino), listed


def is_folder(entry: os.DirEntry) -> bool:
    """Following links; a link that leads nowhere, or to itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
