"""Whether two data sets list the same images in the same order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise, takewhile

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.fileio import LmdbBackend, get
from mmengine.logging import print_log

from .archives import size_in_archive
from .lmdb_values import value_beginning, value_sizes
from .local_stores import ARCHIVE, SHARDS, is_local_store
from .sources import backend_of, is_address, location

_VERSION = "v2:"
_PARTS = 64  # of the list, each with a digest of its own: how much differs can be told
_MENDED = 0.05  # share of the parts in which a file may have changed, at least one
_DIGITS = 4  # hexadecimal, of a part
_READ = 2**16  # bytes of a file of each part: pictures of one size and no compression differ there
_THREADS = 16  # the answers of a network disk take long, and come together
_AT_A_TIME = 1000
_JOINED = 100  # names, or texts with those of a shard
_LOOKED_AT_ONCE = 1000  # images in a fingerprint of version 0.1


def fingerprint(dataset: BaseDataset) -> str | None:
    """A digest of what all images of a data set are called, how large their files are, and what is
    in some of them; None for data sets whose images have no file.

    Names are relative to the roots of the data set, or to the folder that all of its images have in
    common: the same images may lie elsewhere on another machine. It is computed once for a data
    set: a million images on a local disk take ten seconds of a processor.

    Returns:
        'v2:', 64 digits of the names in their order, ':', and 4 for each of up to 64 parts of the
        list.
    """
    known = dataset.__dict__.get("_fingerprint")
    if known is None or known[0] != len(dataset):
        known = dataset.__dict__["_fingerprint"] = len(dataset), _compute(dataset)
    return known[1]


def difference(saved: str, dataset: BaseDataset) -> str | None:
    """How the images of a data set differ from those that a fingerprint is of; None if they do not.

    Files that were mended may have another size: up to a twentieth of the parts of the list, at
    least one, is let pass with a warning. Where one of the two knows names alone, as of a web
    server, names alone are compared. A fingerprint of version 0.1 is compared as it was then, by
    the names of up to 1000 files.
    """
    if not saved.startswith(_VERSION):
        same = saved == _first_fingerprint(dataset)
        return None if same else "other images, or in another order"
    now = fingerprint(dataset)
    if now is None:
        return "images in files"
    (names, parts), (names_now, parts_now) = (
        text.removeprefix(_VERSION).split(":") for text in (saved, now)
    )
    if names != names_now or len(parts) != len(parts_now):
        return "other images, or in another order"
    if _of_names_alone(len(dataset)) in (parts, parts_now):
        return None
    total = len(parts) // _DIGITS
    changed = sum(
        parts[at : at + _DIGITS] != parts_now[at : at + _DIGITS]
        for at in range(0, len(parts), _DIGITS)
    )
    if changed > max(1, int(_MENDED * total)):
        return (
            f"other pictures under the same names ({changed} of {total} parts of the list differ)"
        )
    if changed:
        print_log(
            f"files in {changed} of {total} parts of the list of images have changed since the "
            "checkpoint; if they are not the same pictures, mended, start anew",
            "current",
            level=30,
        )
    return None


def _compute(dataset: BaseDataset) -> str | None:
    base = _data_base(dataset)
    if hasattr(dataset, "names_and_sizes"):  # an index has them, without a path for each image
        names, sizes = dataset.names_and_sizes()
    else:
        paths = _paths(dataset, range(len(dataset)))
        if paths is None:
            return None
        names = _relative(paths, dataset)
        sizes = _sizes(paths) if base is None else value_sizes(base, paths)

    def beginning(row: int) -> bytes:
        path = dataset.get_data_info(row)["img_path"]
        return _beginning(path) if base is None else value_beginning(base, path, _READ)

    return f"{_VERSION}{_digest(names)}:{_parts(sizes, beginning)}"


def _parts(sizes: np.ndarray, beginning: Callable[[int], bytes]) -> str:
    """Digests of the parts of the list, by the sizes of all files and what one of each begins
    with.
    """
    bounds = np.linspace(0, len(sizes), min(_PARTS, len(sizes)) + 1).astype(int).tolist()
    parts = []
    for start, stop in pairwise(bounds):
        digest = hashlib.blake2b(
            sizes[start:stop].astype("<i8").tobytes(), digest_size=_DIGITS // 2
        )
        digest.update(beginning((start + stop) // 2))
        parts.append(digest.hexdigest())
    return "".join(parts)


def _of_names_alone(number: int) -> str:
    """Digests of the parts where nobody says what is in the files."""
    return _parts(np.full(number, -1), lambda row: b"")


def _data_base(dataset: BaseDataset) -> LmdbBackend | None:
    """The LMDB that a data set's paths are the keys of, if they are."""
    options = getattr(dataset, "backend_args", None)
    backend = backend_of("", options) if options else None
    return backend if isinstance(backend, LmdbBackend) else None


def _digest(names: Iterable[str]) -> str:
    """Of names in their order, with '\\0' between them."""
    digest, names = hashlib.sha256(), iter(names)
    between = ""
    while chunk := list(islice(names, _JOINED)):
        digest.update((between + "\0".join(chunk)).encode(errors="surrogateescape"))
        between = "\0"
    return digest.hexdigest()


def _paths(dataset: BaseDataset, rows: Sequence[int]) -> list[str] | None:
    """Of some images; None if one has no file."""
    paths = [dataset.get_data_info(row).get("img_path") for row in rows]
    return None if not paths or None in paths else paths


def _relative(paths: Sequence[str], dataset: BaseDataset) -> list[str]:
    """Names of images that do not depend on where their roots lie; of several roots with their
    numbers.
    """
    sources = getattr(dataset, "sources", ())
    places = [location(path, sources) for path in paths] if sources else [(-1, "")]
    if all(number >= 0 for number, _ in places):
        return [f"{number}/{rest}" for number, rest in places]
    ends = (path.split("/")[:-1] for path in (min(paths), max(paths)))
    common = takewhile(lambda names: names[0] == names[1], zip(*ends, strict=False))
    start = sum(len(name) + 1 for name, _ in common)
    return [path[start:] for path in paths]


def _sizes(paths: Sequence[str]) -> np.ndarray:
    """(N,) int64, bytes; −1 where nobody says."""
    chunks = [paths[at : at + _AT_A_TIME] for at in range(0, len(paths), _AT_A_TIME)]
    with ThreadPoolExecutor(_THREADS) as threads:
        found = threads.map(lambda chunk: [_size(path) for path in chunk], chunks)
        return np.array([size for sizes in found for size in sizes], dtype="<i8")


def _size(path: str) -> int:
    if is_address(path):
        return size_in_archive(path) if is_local_store(path, (ARCHIVE,)) else -1
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _beginning(path: str) -> bytes:
    """Of a file; nothing where it cannot be read, or is far away."""
    try:
        if is_address(path):
            return get(path)[:_READ] if is_local_store(path, (ARCHIVE, SHARDS)) else b""
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_READ)
    except OSError:
        return b""


def _first_fingerprint(dataset: BaseDataset) -> str | None:
    """Of version 0.1: the file names of up to 1000 images, evenly spread."""
    number = len(dataset)
    paths = _paths(dataset, range(0, number, max(1, number // _LOOKED_AT_ONCE)))
    if paths is None:
        return None
    names = "\n".join(os.path.basename(path) for path in paths)
    return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()
