"""Text files that say which image has which label, and which images belong to a subset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..errors import HCSCError
from ..utils.text import one_line_path
from .file_kinds import EXTENSIONS, describe_not_read, ending_of, same_text
from .sources import Source
from .text_list import lines_by_number, read_lines, repeated


class LabelledPath(NamedTuple):
    """An image and what it shows."""

    path: str  # relative to the folder of the images
    label: int
    coarse: int | None = None


def read_label_list(file: str) -> list[LabelledPath]:
    """The lines ``path label`` or ``path label coarse`` of a text file, in order; the separators
    are commas or whitespace.

    Raises:
        HCSCError: see :func:`parse_labels`; or it cannot be read.
    """
    return [image for _, image in parse_labels(read_lines(file), file)]


def parse_labels(lines: Sequence[str], file: str) -> list[tuple[int, LabelledPath]]:
    """The images that lines name, each with the number of its line.

    Raises:
        HCSCError: a line reads otherwise, has a negative label, or has not as many columns as the
            first; or two lines give one image different labels.
    """
    listed: list[tuple[int, LabelledPath]] = []
    for number, line in lines_by_number(lines):
        where = f"line {number} of {one_line_path(file)}"
        image = parse_line(line)
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
        if listed and (image.coarse is None) != (listed[0][1].coarse is None):
            raise HCSCError(
                f"{where} has {2 + (image.coarse is not None)} columns, unlike the first; give all "
                "lines a coarse label or none"
            )
        listed.append((number, image))
    return listed


def check_one_label_each(listed: Sequence[tuple[int, LabelledPath]], source: Source) -> None:
    """Refuse a list that gives one image two labels; images that it only repeats are counted in the
    log.

    Args:
        listed: The images, each with the number of its line; a path may be relative in one line and
            absolute in another.
        source: Where the list is, and what its paths are relative to.

    Raises:
        HCSCError: names the image and its lines.
    """
    file = source.ann_file
    twice = repeated(source.path(image.path) for _, image in listed)
    for places in twice.values():
        (first, one), *others = (listed[place] for place in places)
        for number, other in others:
            if other[1:] != one[1:]:
                kind = "labels" if other.label != one.label else "coarse labels"
                labels = (
                    (one.label, other.label)
                    if other.label != one.label
                    else (one.coarse, other.coarse)
                )
                raise HCSCError(
                    f"lines {first} and {number} of {one_line_path(file)} give "
                    f"{one_line_path(one.path)} the {kind} {labels[0]} and {labels[1]}; keep one"
                )
    twice = {listed[places[0]][1].path: places for places in twice.values()}
    log_repeated(twice, [number for number, _ in listed], file)


def log_repeated(twice: dict[str, list[int]], numbers: Sequence[int], file: str) -> None:
    """Say how many images a list repeats: each counts as often as it is listed.

    Args:
        twice: Images that the list has twice, from :func:`~.text_list.repeated`.
        numbers: Number of each image's line, for messages.
        file: Path of the list, for messages.
    """
    if twice:
        name, places = next(iter(twice.items()))
        print_log(
            f"{one_line_path(file)} names {len(twice)} of its images more than once, the first is "
            f"{one_line_path(name)} in lines {', '.join(str(numbers[p]) for p in places[:3])}; "
            "each counts as often as it is listed",
            "current",
            level=30,
        )


def log_not_read(paths: Sequence[str], file: str) -> None:
    """Warn of images in a list that will be unreadable here by their format."""
    text = describe_not_read(paths)
    if text is not None:
        print_log(
            f"of the {len(paths)} images in {one_line_path(file)} are not read here: {text}",
            "current",
            level=30,
        )


def path_of_line(line: str) -> list[str]:
    """What a line of a list without labels may name, the likeliest first: all of it, or what comes
    before a label.
    """
    labelled = parse_line(line)
    if labelled is None:
        return [line]
    is_image = ending_of(labelled.path) in EXTENSIONS and ending_of(line) not in EXTENSIONS
    return [labelled.path, line] if is_image else [line, labelled.path]


def parse_line(line: str) -> LabelledPath | None:
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


def keep_listed(images: Sequence[LabelledPath], file: str) -> list[LabelledPath]:
    """The images that a list names, in their own order: by file name, or by path where the list
    gives one.

    Raises:
        HCSCError: the list names images that are not there, or a name that several have.
    """
    wanted = {_name(line): line for line in read_lines(file) if line}
    found: dict[str, LabelledPath] = {}
    for image in images:
        for name in {_name(image.path), _name(os.path.basename(image.path))} & wanted.keys():
            if name in found and found[name].path != image.path:
                raise HCSCError(
                    f"{one_line_path(name)} in {one_line_path(file)} could be "
                    f"{one_line_path(found[name].path)} or "
                    f"{one_line_path(image.path)}; list paths instead of names"
                )
            found[name] = image
    missing = [line for name, line in wanted.items() if name not in found]
    if missing:
        raise HCSCError(
            f"{len(missing)} of the {len(wanted)} images in {one_line_path(file)} are not in the "
            f"data set, the first is {one_line_path(missing[0])}; mend the list, or data_root"
        )
    chosen = {image.path for image in found.values()}
    return [image for image in images if image.path in chosen]


def _name(path: str) -> str:
    return same_text(os.path.normpath(path))


def draw_per_class(
    images: Sequence[LabelledPath], per_class: int | float, seed: int, classes: Sequence[str]
) -> list[LabelledPath]:
    """Some images of each class, in their own order; equal on every machine, and a class's draw
    does not depend on the others.

    Args:
        images: In an order that is equal everywhere.
        per_class: A whole number: so many of each class. A fraction: that share of each class,
            rounded, at least one.
        seed: Seeds the draw.
        classes: Their names, for messages.

    Raises:
        HCSCError: ``per_class`` is out of range, or a class has fewer images.
    """
    is_share = isinstance(per_class, float)
    is_number = isinstance(per_class, (int, float)) and not isinstance(per_class, bool)
    if not is_number or not (0 < per_class <= 1 if is_share else per_class >= 1):
        raise HCSCError(
            f"per_class={per_class!r} must be a number of images, at least 1, or a share of each "
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
                f"{one_line_path(classes[label])}; set at most "
                f"{np.bincount(labels)[np.unique(labels)].min()}"
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
