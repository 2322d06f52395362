"""Text files that say which image has which label, and which images belong to a subset."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import HCSCError
from ..utils.text import one_line_path


class LabelledPath(NamedTuple):
    """An image and what it shows."""

    path: str  # relative to the folder of the images
    label: int
    coarse: int | None = None


def read_label_list(file: str) -> list[LabelledPath]:
    """The lines ``path label`` or ``path label coarse`` of a text file, in order; the separators
    are commas or whitespace.

    Raises:
        HCSCError: a line reads otherwise, has a negative label, or has not as many columns as the
            first.
    """
    listed: list[LabelledPath] = []
    for number, line in enumerate(read_lines(file), start=1):
        if not line:
            continue
        where = f"line {number} of {one_line_path(file)}"
        image = _parse(line)
        if image is None:
            raise HCSCError(
                f"{where} is no 'path label' or 'path, label, coarse_label': "
                f"{one_line_path(line[:200])!r}; labels are whole numbers, "
                "and a path with spaces needs commas behind it"
            )
        if image.label < 0 or (image.coarse or 0) < 0:
            raise HCSCError(
                f"{where} has a negative label: {one_line_path(line[:200])!r}; labels count from 0"
            )
        if listed and (image.coarse is None) != (listed[0].coarse is None):
            raise HCSCError(
                f"{where} has {2 + (image.coarse is not None)} columns, unlike the first; give all "
                "lines a coarse label or none"
            )
        listed.append(image)
    return listed


def _parse(line: str) -> LabelledPath | None:
    """A line's columns, at commas if that makes sense, else at whitespace; None if neither does."""
    for columns in (_at_commas(line), line.split()):
        path, numbers = columns[0], columns[1:]
        if (
            path
            and not path.endswith(",")
            and 1 <= len(numbers) <= 2
            and all(map(_is_whole_number, numbers))
        ):
            return LabelledPath(path, *map(int, numbers))
    return None


def _at_commas(line: str) -> list[str]:
    """From the right, so that a path may hold commas."""
    columns = [column.strip() for column in line.rsplit(",", 2)]
    if len(columns) == 3 and not _is_whole_number(columns[1]):
        columns = [column.strip() for column in line.rsplit(",", 1)]
    return columns


def _is_whole_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def read_lines(file: str) -> list[str]:
    """The lines of a text file without whitespace around them; empty ones keep their places.

    Raises:
        HCSCError: it cannot be read.
    """
    try:
        # Names of files need not be valid text; a byte-order mark is no part of the first name.
        with open(file, encoding="utf-8-sig", errors="surrogateescape") as lines:
            return [line.strip() for line in lines]
    except OSError as error:
        raise HCSCError(
            f"cannot read {one_line_path(file)} ({error.strerror}); mend its path in the config"
        ) from error


def check_files_exist(paths: Sequence[str], folder: str, source: str) -> None:
    """Refuse a list with images that are not there.

    Each folder is listed once: asking for a million files one by one takes minutes on a network
    disk.

    Raises:
        HCSCError: counts the missing ones and names the first.
    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[os.path.dirname(path)].append(path)
    missing: set[str] = set()
    for relative, wanted in by_folder.items():
        try:
            there = set(os.listdir(os.path.join(folder, relative)))
        except OSError:
            there = set()
        missing.update(path for path in wanted if os.path.basename(path) not in there)
    if missing:
        first = os.path.join(folder, next(path for path in paths if path in missing))
        raise HCSCError(
            f"{len(missing)} of the {len(paths)} images in {one_line_path(source)} do not exist, "
            f"the first is {one_line_path(first)}; "
            "mend the list, or data_root and data_prefix, which its paths are relative to"
        )


def keep_listed(images: Sequence[LabelledPath], file: str) -> list[LabelledPath]:
    """The images that a list names, in their own order: by file name, or by path where the list
    gives one.

    Raises:
        HCSCError: the list names images that are not there, or a name that several have.
    """
    wanted = {os.path.normpath(line) for line in read_lines(file) if line}
    found: dict[str, LabelledPath] = {}
    for image in images:
        for name in {os.path.normpath(image.path), os.path.basename(image.path)} & wanted:
            if name in found and found[name].path != image.path:
                raise HCSCError(
                    f"{one_line_path(name)} in {one_line_path(file)} could be "
                    f"{one_line_path(found[name].path)} or "
                    f"{one_line_path(image.path)}; list paths instead of names"
                )
            found[name] = image
    missing = wanted - found.keys()
    if missing:
        raise HCSCError(
            f"{len(missing)} of the {len(wanted)} images in {one_line_path(file)} are not in the "
            "data set, the first is "
            f"{one_line_path(min(missing))}; mend the list, or data_root"
        )
    chosen = {image.path for image in found.values()}
    return [image for image in images if image.path in chosen]


def draw_per_class(
    images: Sequence[LabelledPath], per_class: int | float, seed: int, classes: Sequence[str]
) -> list[LabelledPath]:
    """Some images of each class, in their own order; equal on every machine, and a class's draw
    does not depend on the others.

    Args:
        images: In an order that is equal everywhere.
        per_class: A whole number: so many of each class. A fraction: that share of each class,
            rounded, at least one.
        seed: Of the draw.
        classes: Their names, for messages.

    Raises:
        HCSCError: ``per_class`` is out of range, or a class has fewer images.
    """
    is_share = isinstance(per_class, float)
    if isinstance(per_class, bool) or not (0 < per_class <= 1 if is_share else per_class >= 1):
        raise HCSCError(
            f"per_class={per_class} must be a number of images, at least 1, or a share of each "
            "class between 0.0 and 1.0"
        )
    labels = np.array([image.label for image in images])
    kept: list[int] = []
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        number = max(1, round(per_class * len(members))) if is_share else per_class
        if number > len(members):
            raise HCSCError(
                f"per_class={per_class} exceeds the {len(members)} images of class "
                f"{one_line_path(classes[label])}; "
                f"set at most {np.bincount(labels)[np.unique(labels)].min()}"
            )
        # The smallest of random doubles: their stream is PCG64's own, whatever the version of
        # NumPy's permutations.
        order = (
            np.random.Generator(np.random.PCG64([seed, label]))
            .random(len(members))
            .argsort(kind="stable")
        )
        kept.extend(members[order[:number]].tolist())
    return [images[index] for index in sorted(kept)]
