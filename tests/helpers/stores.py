"""The same encoded images in a folder, tar shards, a zip, a data base, a bucket, on a server."""

from __future__ import annotations

import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.fileio import io as fileio

from hcsc_mm.datasets.tar_index import ALL, index_path
from hcsc_mm.datasets.tar_shards import Indexed, index_shards


def write_shard(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tar with these files, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_shards(folder: Path, images: Sequence[bytes], per_shard: int, **others: Sequence) -> Path:
    """Shards of so many PNGs each, 'train-000000.tar' with '0000.png', …

    Args:
        others: Ending → what it holds for each image: ``cls=[3, 1, …]``.
    """
    for start in range(0, len(images), per_shard):
        files = {}
        for row in range(start, min(start + per_shard, len(images))):
            files[f"{row:04d}.png"] = images[row]
            files |= {
                f"{row:04d}.{ending}": str(values[row]).encode()
                for ending, values in others.items()
            }
        write_shard(folder / f"train-{start // per_shard:06d}.tar", files)
    return folder


def index(folder: Path, pattern: str = ALL, **options) -> Indexed:
    """What tools/index_shards.py does."""
    return index_shards(str(folder), pattern, index_path(str(folder), pattern), **options)


def write_folder(folder: Path, images: Sequence[bytes]) -> Path:
    """Files '0000.png', … and 'list.txt', which names them."""
    folder.mkdir(parents=True)
    for row, content in enumerate(images):
        (folder / f"{row:04d}.png").write_bytes(content)
    (folder / "list.txt").write_text("".join(f"{row:04d}.png\n" for row in range(len(images))))
    return folder


def write_base(path: Path, images: Sequence[bytes]) -> Path:
    """An LMDB with the folder's names as keys."""
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(path), map_size=2**24) as base, base.begin(write=True) as step:
        for row, content in enumerate(images):
            step.put(f"{row:04d}.png".encode(), content)
    return path


def write_zip(path: Path, folder: Path) -> Path:
    """A folder's images, in no order."""
    with zipfile.ZipFile(path, "w") as archive:
        for image in sorted(folder.glob("*.png"), reverse=True):
            archive.write(image, image.name)
    return path


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _FolderClient:
    """What mmengine's ``PetrelBackend`` calls of ``petrel_client``, which no registry has: buckets
    are folders below ``root``.
    """

    root: Path

    def __init__(self, **_):
        pass

    def _path(self, address: str) -> Path:
        return self.root / address.removeprefix("s3://")

    def Get(self, address: str) -> bytes:  # noqa: N802
        return self._path(address).read_bytes()

    def contains(self, address: str) -> bool:
        return self._path(address).is_file()

    def isdir(self, address: str) -> bool:
        return self._path(address).is_dir()

    def list(self, address: str) -> Iterator[str]:
        for path in sorted(self._path(address).iterdir(), reverse=True):
            yield f"{path.name}/" if path.is_dir() else path.name


@contextmanager
def buckets(root: Path) -> Iterator[None]:
    """'s3://' reads the folders below ``root``."""
    client = ModuleType("petrel_client.client")
    client.Client = type("Client", (_FolderClient,), {"root": root})
    package = ModuleType("petrel_client")
    package.client = client
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "petrel_client", package)
        patch.setitem(sys.modules, "petrel_client.client", client)
        patch.setattr(fileio, "backend_instances", {})
        yield
