"""Tar shards as WebDataset writes them: the files of a sample have one name and several endings,
'000017.jpg' and '000017.cls'. What is in them becomes an index, see :mod:`.tar_index`.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ..errors import HCSCError
from ..utils.text import first_line, one_line_path
from .file_kinds import EXTENSIONS
from .tar_index import ROW, Shard, find_shards, no_shards, write_index

CLASS = "cls"  # WebDataset's ending of a label
NO_LABELS = "none"
_LARGEST_IMAGE = np.iinfo(ROW["size"]).max
_MOST_CLASSES = 1_000_000  # a larger label is a year or an identifier


class File(NamedTuple):
    """One in a shard."""

    name: str
    start: int  # of its content, bytes
    size: int  # bytes


class ShardContent(NamedTuple):
    """The images of a shard.

    Attributes:
        shard: The file.
        rows: (n,) of :data:`ROW`; ``name`` counts from 0, ``label`` is a place among ``labels``.
        names: Of the images, with NUL behind each.
        labels: The different ones, as text.
        without_image: Samples that have none.
    """

    shard: Shard
    rows: np.ndarray
    names: bytes
    labels: list[str]
    without_image: int


class Indexed(NamedTuple):
    """What an index was made of.

    Attributes:
        shards, images: How many.
        labels: Different labels; 0: none.
        without_image: Samples that have none, and are left out.
    """

    shards: int
    images: int
    labels: int
    without_image: int


def index_shards(
    folder: str,
    pattern: str,
    path: str,
    image_key: str | None = None,
    label_key: str | None = None,
    read_all: Callable[[Callable, Iterable], Iterable] = map,
) -> Indexed:
    """Read the headers of all shards of a folder and write their index, whole or not at all.

    Args:
        folder, pattern: Which files.
        path: Of the index.
        image_key: Ending of the images, such as 'left.jpg'; None: any that is one of an image.
        label_key: Ending of the labels: 'cls', 'txt', or 'json.FIELD' for a field of a JSON file.
            'none': no labels. None: 'cls' where there are such files.
        read_all: ``map``, or that of a pool of processes, which keeps the order.

    Raises:
        HCSCError: there is no shard or no image, a shard is damaged or compressed, a sample has
            several images, a label cannot be read, or some samples have none.
    """
    shards = find_shards(folder, pattern)
    if not shards:
        raise no_shards(folder, pattern)
    tasks = [(shard, image_key, label_key or CLASS) for shard in shards]
    contents = list(read_all(read_shard, tasks))
    number = sum(len(content.rows) for content in contents)
    if not number:
        raise HCSCError(
            f"no image in the {len(shards)} shards of {one_line_path(folder)}; see what they hold "
            "with tar -tf, and name the images' ending by --image-key"
        )
    values, classes = _number_labels(contents, label_key)
    names = 0
    for place, content in enumerate(contents):
        rows = content.rows
        rows["shard"], rows["name"] = place, rows["name"] + np.uint64(names)
        if values:
            rows["label"] = np.array([values[label] for label in content.labels])[rows["label"]]
        names += len(content.names)
    write_index(
        path,
        [content.shard for content in contents],
        (content.rows for content in contents),
        (content.names for content in contents),
        classes,
    )
    left_out = sum(content.without_image for content in contents)
    return Indexed(len(shards), number, len(set(values.values())), left_out)


def read_shard(task: tuple[str, str | None, str]) -> ShardContent:
    """The images of a shard: its path, the images' ending, the labels' ending.

    Raises:
        HCSCError: see :func:`index_shards`.
    """
    path, image_key, label_key = task
    shard = Shard.at(path)  # before it is read: one that changes meanwhile is noticed later
    samples: dict[str, dict[str, File]] = {}
    label_ending, _, field = label_key.partition(".")
    labels: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:  # no compression: it has no places to go to
            for member in archive:
                archive.members = []  # tarfile would keep them all
                key, ending = _split(member.name)
                if not member.isreg() or not ending:
                    continue
                files = samples.setdefault(key, {})
                if ending in files:
                    raise HCSCError(
                        f"{one_line_path(path)} holds {one_line_path(member.name)} twice, and a "
                        "name stands for one image; write the shard anew"
                    )
                files[ending] = File(member.name, member.offset_data, member.size)
                if ending == label_ending:
                    content = archive.extractfile(member).read()
                    labels[key] = _label(content, field, path, member.name)
    except (tarfile.TarError, OSError) as error:
        raise HCSCError(
            f"{one_line_path(path)} is compressed, or damaged ({first_line(error)}); a shard is "
            "read where it is not compressed: decompress it, or get it again"
        ) from error
    return _content(shard, path, samples, labels, image_key)


def _content(
    shard: Shard,
    path: str,
    samples: dict[str, dict[str, File]],
    labels: dict[str, str],
    image_key: str | None,
) -> ShardContent:
    different = sorted(set(labels.values()))
    number = {label: place for place, label in enumerate(different)}
    rows, names, end = [], [], 0
    for key, files in samples.items():
        image = _image_of(files, image_key, path)
        if image is None:
            continue
        name = image.name.encode(errors="surrogateescape")
        label = number[labels[key]] if key in labels else -1
        rows.append((end, image.start, image.size, len(name), 0, label))
        names.append(name + b"\0")
        end += len(names[-1])
    without = len(samples) - len(rows)
    return ShardContent(shard, np.array(rows, dtype=ROW), b"".join(names), different, without)


def _image_of(files: dict[str, File], image_key: str | None, path: str) -> File | None:
    """The image among the files of a sample."""
    if image_key is not None:
        images = [file for ending, file in files.items() if ending == image_key.lower()]
    else:
        images = [file for ending, file in files.items() if f".{ending}" in EXTENSIONS]
    if len(images) > 1:
        both = " and ".join(one_line_path(file.name) for file in images[:2])
        ending = images[0].name.rpartition(".")[2]
        raise HCSCError(
            f"{one_line_path(path)} has {both} in one sample; say which ending is the image's, "
            f"such as --image-key {ending}"
        )
    if images and images[0].size > _LARGEST_IMAGE:
        name = one_line_path(images[0].name)
        raise HCSCError(f"{name} in {one_line_path(path)} has more than 4 GiB; take it out")
    return images[0] if images else None


def _split(name: str) -> tuple[str, str]:
    """Key and ending, which begins at the first dot of the last part, as WebDataset has it."""
    folder, base = os.path.split(name.removeprefix("./"))
    stem, _, ending = base.partition(".")
    return (f"{folder}/{stem}", ending.lower()) if stem else ("", "")


def _label(content: bytes, field: str, path: str, name: str) -> str:
    where = f"{one_line_path(name)} in {one_line_path(path)}"
    try:
        value = json.loads(content)[field] if field else content.decode().strip()
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise HCSCError(
            f"{where} holds no label ({type(error).__name__}: {first_line(error)}); name the "
            "labels by --label-key, such as json.label, or leave them out by --label-key none"
        ) from error
    if isinstance(value, bool) or not isinstance(value, (int, str)) or value == "":
        raise HCSCError(
            f"{where} holds {value!r}, which is no label; a label is a number or a name: see "
            "--label-key"
        )
    return str(value)


def _number_labels(
    contents: list[ShardContent], label_key: str | None
) -> tuple[dict[str, int], list[str] | None]:
    """Label as text → number, and the names of the numbers; nothing where there are no labels."""
    found = sorted({label for content in contents for label in content.labels})
    key = label_key or CLASS
    if key == NO_LABELS or (not found and label_key is None):
        return {}, None
    for content in contents:
        bare = np.flatnonzero(content.rows["label"] < 0)
        if bare.size:
            start, length = content.rows[["name", "length"]][bare[0]].item()
            name = content.names[start : start + length].decode(errors="surrogateescape")
            raise HCSCError(
                f"{one_line_path(name)} in {one_line_path(content.shard.name)} has no label .{key} "
                "beside it; mend the shard, or leave labels out by --label-key none"
            )
    if not all(label.removeprefix("-").isdecimal() for label in found):
        return {label: number for number, label in enumerate(found)}, found
    values = {label: int(label) for label in found}
    smallest, largest = min(values.values()), max(values.values())
    if smallest < 0 or largest >= _MOST_CLASSES:
        raise HCSCError(
            f"labels go from {smallest} to {largest}; labels number the classes from 0: name "
            "others by --label-key, or leave them out by --label-key none"
        )
    return values, None
