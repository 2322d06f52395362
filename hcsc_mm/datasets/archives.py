"""A zip or tar file as a folder of images: a file back end of mmengine, so that whatever loads
images by it can read them there.
"""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mmengine.fileio import BaseStorageBackend, register_backend

from ..errors import HCSCError
from ..utils.text import one_line_path
from .local_stores import ARCHIVE as PREFIX

_MARK = "!/"  # between the archive and a name in it
_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # PKZIP's APPNOTE, section 4.3.7


class Member(NamedTuple):
    """Where a file lies in an archive.

    Attributes:
        start: Where in the archive it begins, in bytes: at a zip's local header, or a tar's data.
        stored: Bytes in the archive.
        size: Bytes of the file.
        method: A zip's way of compression; None in a tar.
    """

    start: int
    stored: int
    size: int
    method: int | None = None


# What a tar's link to a folder, or out of the tar, holds: nothing. It is listed all the same, and
# unreadable as on a disk.
_NOWHERE = Member(0, 0, 0)


class Archive:
    """The index of an archive, and its open file. Reading does not move a common position, so that
    forked processes can share it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.members = _zip_members(path) if zipfile.is_zipfile(path) else _tar_members(path)
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError for a name that it has not."""
        member = self.members.get(name)
        if member is None:
            raise FileNotFoundError(2, "No such file in the archive", f"{self.path}{_MARK}{name}")
        if member.method is None:
            return os.pread(self._file, member.size, member.start)
        header = os.pread(self._file, _LOCAL_HEADER.size, member.start)
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        data = os.pread(
            self._file, member.stored, member.start + len(header) + name_length + extra_length
        )
        return zlib.decompress(data, -zlib.MAX_WBITS) if member.method else data


@register_backend("hcsc_archive", prefixes=PREFIX)
class ArchiveBackend(BaseStorageBackend):
    """Files at ``archive:///path/to/photos.zip!/name``."""

    def get(self, filepath: str) -> bytes:
        archive, name = split(filepath)
        return archive.read(name)

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        return self.get(filepath).decode(encoding)

    def list_dir_or_file(
        self,
        dir_path: str,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """All files below, relative to it; folders are not listed for themselves."""
        archive, folder = split(f"{dir_path.rstrip('/')}/")
        for name in archive.members:
            if name.startswith(folder) and (suffix is None or name.endswith(suffix)):
                yield name.removeprefix(folder)


def address_of(path: str) -> str:
    """The address of an archive's root."""
    return f"{PREFIX}://{os.path.abspath(path)}{_MARK}".rstrip("/")


def is_archive(path: str) -> bool:
    """Whether a file is a zip or a tar."""
    return os.path.isfile(path) and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def split(address: str) -> tuple[Archive, str]:
    """The archive and the name in it."""
    path, _, name = address.removeprefix(f"{PREFIX}://").partition("!")
    return open_archive(path), name.lstrip("/")


def size_in_archive(address: str) -> int:
    """Bytes of a file; -1 if there is none."""
    archive, name = split(address)
    return archive.members[name].size if name in archive.members else -1


@lru_cache(maxsize=16)
def open_archive(path: str) -> Archive:
    """Indexed once in a process; its forks inherit the index."""
    return Archive(path)


def _zip_members(path: str) -> dict[str, Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise HCSCError(f"{one_line_path(path)} is damaged ({error}); get it again") from error
    for info in files:
        if info.flag_bits & _ENCRYPTED or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise HCSCError(
                f"{one_line_path(info.filename)} in {one_line_path(path)} is encrypted, or not "
                "compressed by deflate; unpack the archive, and set data_root to its folder"
            )
    return {
        info.filename: Member(
            info.header_offset, info.compress_size, info.file_size, info.compress_type
        )
        for info in files
    }


def _tar_members(path: str) -> dict[str, Member]:
    try:
        with tarfile.open(path, "r:") as archive:  # no compression: it has no places to go to
            infos = list(archive)
    except (tarfile.TarError, OSError) as error:
        raise HCSCError(
            f"{one_line_path(path)} is compressed, or damaged ({error}); a tar is read where it is "
            "not compressed: unpack it, and set data_root to its folder"
        ) from error
    members = {
        _plain(info.name): Member(info.offset_data, info.size, info.size)
        for info in infos
        if info.isreg()
    }
    targets = {_plain(info.name): _target(info) for info in infos if info.issym() or info.islnk()}
    for name in targets.keys() - members.keys():
        end, passed = targets[name], {name}
        while end in targets and end not in passed:  # links of links
            passed.add(end)
            end = targets[end]
        members[name] = members.get(end, _NOWHERE)
    return members


def _target(info: tarfile.TarInfo) -> str:
    """What a link leads to: a hard one by the file's name, a symbolic one from where it lies."""
    folder = "" if info.islnk() else os.path.dirname(info.name)
    return _plain(os.path.join(folder, info.linkname))


def _plain(name: str) -> str:
    return os.path.normpath(name)
