"""Where the images of a data set are: folders, archives, what mmengine's file back ends reach."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from mmengine.fileio import get_file_backend

from ..errors import HCSCError
from ..utils.text import one_line_path
from .archives import address_of, is_archive
from .listing import Listing, pick, walk

_ADDRESS = re.compile(r"[\w.+:-]+://")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")
_READ_IN_PLACE = (".zip", ".tar")
_MOUNT = (
    "or mount it (s3fs, mount-s3, gcsfuse), and set data_root to the folder; docs/images.md "
    "says what else works"
)


@dataclass(frozen=True)
class Source:
    """One of the places that a data set's images are in.

    Attributes:
        root: What the user calls it.
        folder: What paths of images are relative to: the root, and the prefix within it.
        ann_file: A list of images there; '' for all there are.
        backend_args: Arguments of mmengine's file back end; None: the address tells.
    """

    root: str
    folder: str
    ann_file: str = ""
    backend_args: Mapping[str, Any] | None = None

    @property
    def is_local(self) -> bool:
        """Whether the file system can be asked."""
        return self.backend_args is None and not is_address(self.folder)

    def path(self, name: str) -> str:
        """Of an image, for a loader; an address or an absolute path stays what it is."""
        return os.path.join(self.folder, name) if self.folder and not is_address(name) else name

    def list(self, extensions: Sequence[str]) -> Listing:
        """All images there.

        Raises:
            HCSCError: it cannot be listed.
        """
        if self.is_local:
            return walk(self.folder, extensions)
        backend = backend_of(self.folder, self.backend_args)
        if not hasattr(backend, "list_dir_or_file"):
            raise HCSCError(
                f"{one_line_path(self.root or type(backend).__name__)} cannot be listed; give "
                "ann_file, a text file with the images' paths relative to it"
            )
        try:
            names = backend.list_dir_or_file(
                self.folder, list_dir=False, list_file=True, recursive=True
            )
            return pick(names, extensions)
        except OSError as error:
            raise HCSCError(f"cannot list {one_line_path(self.root)} ({error})") from error


def is_address(path: str) -> bool:
    """Whether a path is one for mmengine's file back ends, such as 's3://bucket/photos'."""
    return _ADDRESS.match(path) is not None


def backend_of(address: str, backend_args: Mapping[str, Any] | None = None) -> Any:
    """mmengine's file back end.

    Raises:
        HCSCError: there is none such, what it needs is not installed, or its data base is missing.
    """
    try:
        backend = get_file_backend(
            address, backend_args=dict(backend_args or {}) or None, enable_singleton=True
        )
    except (KeyError, ImportError, ValueError, TypeError) as error:
        what = one_line_path(address) or f"backend_args={backend_args}"
        why = f"mmengine has no file back end for it ({error})"
        if isinstance(error, ImportError):
            why = str(error).splitlines()[0].rstrip(".")
        raise HCSCError(f"{what} cannot be read: {why}; install that, {_MOUNT}") from error
    base = getattr(backend, "db_path", None)  # LMDB opens it with the first image
    if base is not None and not os.path.exists(base):
        raise HCSCError(
            f"the data base {one_line_path(base)} does not exist; mend db_path in backend_args"
        )
    return backend


def sources_of(
    data_root: str | os.PathLike | Sequence[str | os.PathLike],
    ann_file: str | os.PathLike | Sequence[str | os.PathLike],
    data_prefix: str | Mapping[str, str],
    backend_args: Mapping[str, Any] | None,
) -> list[Source]:
    """One for each root.

    Args:
        data_root: Folders, archives, addresses.
        ann_file: A list for each root, or one name for all of them; relative to the root.
        data_prefix: Folder below each root.
        backend_args: Arguments of mmengine's file back end.

    Raises:
        HCSCError: something is missing, or of a kind that is not read.
    """
    data_root = "" if data_root is None else data_root
    several = not isinstance(data_root, (str, os.PathLike))
    roots = [os.fspath(root) for root in data_root] if several else [os.fspath(data_root)]
    prefix = data_prefix.get("img_path", "") if isinstance(data_prefix, Mapping) else data_prefix
    lists = _lists(ann_file, len(roots))
    if not roots or ("" in roots and not (backend_args and lists[0])):
        raise HCSCError(
            "no image folder is given; set data_root in the config to a folder of images"
        )
    if len(set(roots)) < len(roots):
        raise HCSCError(f"data_root names {one_line_path(_first_twice(roots))} twice; once will do")
    sources = [
        _source(root, name, prefix, backend_args) for root, name in zip(roots, lists, strict=True)
    ]
    _check_apart([source for source in sources if source.is_local and not source.ann_file])
    return sources


def _lists(ann_file: str | os.PathLike | Sequence[str | os.PathLike], number: int) -> list[str]:
    if isinstance(ann_file, (str, os.PathLike)):
        name = os.fspath(ann_file)
        if number > 1 and (os.path.isabs(name) or is_address(name)):
            raise HCSCError(
                f"ann_file is one list for {number} folders of data_root; give a list of as many, "
                "or a name that is relative to each folder"
            )
        return [name] * number
    names = [os.fspath(name) for name in ann_file]
    if len(names) != number:
        raise HCSCError(
            f"ann_file names {len(names)} lists for {number} folders of data_root; give one for "
            "each"
        )
    return names


def _source(
    given: str, ann_file: str, prefix: str, backend_args: Mapping[str, Any] | None
) -> Source:
    root = given if is_address(given) else os.path.expanduser(given)
    if backend_args is not None or is_address(root):
        backend_of(root, backend_args)
        base = root
    elif os.path.isdir(root):
        base = root
    elif is_archive(root):
        base = address_of(root)
    elif os.path.isfile(root) and root.lower().endswith(_READ_IN_PLACE):
        raise HCSCError(
            f"{one_line_path(root)} is damaged, or not of the kind that its name says; get it "
            "again, or set data_root to the folder of what it holds"
        )
    elif os.path.exists(root) and root.lower().endswith(_ARCHIVES):
        raise HCSCError(
            f"{one_line_path(root)} is an archive that is not read where it is; unpack it, and set "
            "data_root to its folder (zip, and tar without compression, need not be unpacked)"
        )
    elif os.path.isfile(root):
        raise HCSCError(
            f"data_root is the file {one_line_path(root)}, and no folder of images; set it to one, "
            "and a list of images as ann_file"
        )
    else:
        raise HCSCError(
            f"the image folder {one_line_path(root)} does not exist; set data_root in the config"
        )
    folder = os.path.join(base, prefix) if prefix else base
    return Source(given, folder, _list_in(base, ann_file), backend_args)


def _list_in(base: str, ann_file: str) -> str:
    if not ann_file or is_address(ann_file):
        return ann_file
    path = os.path.join(base, os.path.expanduser(ann_file))
    if is_address(path) and not os.path.isabs(os.path.expanduser(ann_file)):
        return path
    if not os.path.isfile(path):
        raise HCSCError(
            f"the list of images {one_line_path(path)} does not exist; mend ann_file or leave it "
            "out"
        )
    return path


def _check_apart(sources: Sequence[Source]) -> None:
    """Images must not be listed twice."""
    real = [(os.path.join(os.path.realpath(one.folder), ""), one.root) for one in sources]
    for (outer, outer_name), (inner, inner_name) in permutations(real, 2):
        if inner.startswith(outer):
            raise HCSCError(
                f"{one_line_path(inner_name)} in data_root lies within "
                f"{one_line_path(outer_name)}, whose images are all listed; leave it out"
            )


def _first_twice(names: Sequence[str]) -> str:
    return next(name for place, name in enumerate(names) if name in names[:place])


def location(path: str, sources: Sequence[Source]) -> tuple[int, str]:
    """Which source an image's path is of, and the rest of the path; (-1, path) if of none."""
    for number, source in enumerate(sources):
        base = source.folder.rstrip("/") + "/"
        if source.folder and path.startswith(base):
            return number, path.removeprefix(base)
    return -1, path
