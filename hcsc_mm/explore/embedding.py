"""Embeddings of all images on disk, made by any number of processes, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_rank, get_world_size
from numpy.typing import NDArray

from ..apis import Embedder, ImageBatch, ImageView
from ..apis.image_view import in_batches, iterate
from ..errors import HCSCError
from ..utils.files import written_whole
from ..utils.progress import track
from ..utils.ranks import wait_for_ranks
from ..utils.text import one_line_path
from .tree_images import TreeImages
from .whole_files import open_array, write_array, write_json

# Images of a piece: what a build that is stopped has to embed again, per process, at most.
PIECE = 4096


class Embeddings(NamedTuple):
    """Of the n images that can be read, of N.

    Attributes:
        embedding: (n, D) float32, unit length.
        signature: (n, 256) uint8 grey pixels, see :func:`signature`; None where only embeddings
            were given.
        rows: (n,) int64, place of each among the N.
        reasons: Row → why its image cannot be read.
        num_images: How many images the folder is for, N.
    """

    embedding: NDArray
    signature: NDArray | None
    rows: NDArray
    reasons: dict[int, str]
    num_images: int


def embed_images(
    embedder: Embedder,
    images: TreeImages,
    folder: Path,
    *,
    batch_size: int = 64,
    num_workers: int = 2,
    unreadable: str = "list",
) -> None:
    """Embed all images into a folder, each process its pieces; called by all of them.

    A piece is a file that is whole or not there: pieces that are there are not made again, whatever
    the number of processes was.

    Args:
        embedder: The network, with the transforms that its images go through.
        images: The N images to embed.
        folder: For the pieces, and at the end for what :func:`open_embeddings` reads.
        batch_size: Images at a time.
        num_workers: Loader processes, per process.
        unreadable: 'list': images that cannot be read are noted with the reason. 'stop': the first
            one ends the build.

    Raises:
        HCSCError: an image cannot be read and ``unreadable='stop'``, or an embedding is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = list(in_batches(range(len(images)), PIECE))
    mine = [
        number
        for number in range(get_rank(), len(pieces), get_world_size())
        if not _file(folder, number).exists()
    ]
    view = ImageView(images, embedder.pipeline)
    batches = [list(rows) for number in mine for rows in in_batches(pieces[number], batch_size)]
    loader = iter(track(iterate(view, batches, num_workers if batches else 0), "embedding"))
    for number in mine:
        count = -(-len(pieces[number]) // batch_size)
        _write_piece(_file(folder, number), embedder, images, islice(loader, count), unreadable)
    wait_for_ranks("embedding")
    if get_rank() == 0:
        _join(folder, len(pieces), len(images))
    wait_for_ranks("joining embeddings")


def _write_piece(
    file: Path,
    embedder: Embedder,
    images: TreeImages,
    batches: Iterable[ImageBatch],
    unreadable: str,
) -> None:
    reasons: dict[int, str] = {}
    kept: list[tuple[NDArray, NDArray, NDArray]] = []  # embeddings, signatures, rows
    for batch in batches:
        keep = np.array([not why for why in batch.reasons])
        reasons |= {row: why for row, why in zip(batch.rows, batch.reasons, strict=True) if why}
        if reasons and unreadable == "stop":
            row, why = next(iter(reasons.items()))
            raise HCSCError(
                f"cannot read image {one_line_path(images.name(row))} ({why}); mend or remove it, "
                "or leave out --unreadable stop"
            )
        embedding, rows = embedder.embed(batch.images).embedding.numpy(), np.array(batch.rows)
        broken = rows[keep & ~np.isfinite(embedding).all(axis=1)]
        if len(broken):
            name = one_line_path(images.name(int(broken[0])))
            raise HCSCError(
                f"the embedding of {name} is NaN or infinite; the weights of {embedder.name} are "
                "broken"
            )
        kept.append((embedding[keep], batch.signatures[keep], rows[keep]))
    embeddings, signatures, rows = (np.concatenate(part) for part in zip(*kept, strict=True))
    with written_whole(file) as aside, open(aside, "wb") as open_file:
        np.savez(
            open_file,
            embedding=embeddings.astype(np.float32),
            signature=signatures,
            rows=rows.astype(np.int64),
            reasons=np.frombuffer(json.dumps(reasons).encode(), dtype=np.uint8),
        )


def _join(folder: Path, number: int, num_images: int) -> None:
    """One file of each kind in the place of the pieces."""
    reasons: dict[str, str] = {}
    lengths, width = [], 0
    for piece in _pieces(folder, number):
        reasons |= json.loads(bytes(piece["reasons"]))
        lengths.append(len(piece["rows"]))
        width = piece["embedding"].shape[1]
    total = sum(lengths)
    if total == 0:
        first = next(iter(reasons.values()), "there is none")
        raise HCSCError(f"none of the {num_images} images can be read, the first one: {first}")
    kinds = {"embedding": (width, np.float32), "signature": (256, np.uint8), "rows": (0, np.int64)}
    for kind, (columns, dtype) in kinds.items():
        shape = (total, columns) if columns else (total,)
        read = (piece[kind] for piece in _pieces(folder, number))
        write_array(folder / f"{kind}.npy", read, shape, dtype)
    write_json(folder / "reasons.json", {"num_images": num_images, "reasons": reasons})
    for piece in range(number):
        _file(folder, piece).unlink()


def _pieces(folder: Path, number: int) -> Iterator[NDArray]:
    for piece in range(number):
        with np.load(_file(folder, piece), allow_pickle=False) as found:
            yield found


def _file(folder: Path, number: int) -> Path:
    return folder / f"piece-{number:05d}.npz"


def take_embeddings(given: NDArray, folder: Path) -> None:
    """Embeddings from elsewhere in the place of :func:`embed_images`.

    Args:
        given: (N, D) float, of any length but 0; they are scaled to unit length here.
        folder: For what :func:`open_embeddings` reads.

    Raises:
        HCSCError: another shape or type, or a row without direction; names it.
    """
    if given.ndim != 2 or given.dtype.kind != "f" or 0 in given.shape:
        raise HCSCError(
            f"embeddings must be (N, D) floating point, got {given.dtype} {given.shape}"
        )

    def unit_rows() -> Iterator[NDArray]:
        for start in range(0, len(given), 2**14):
            rows = np.asarray(given[start : start + 2**14], dtype=np.float32)
            length = np.linalg.norm(rows, axis=1, keepdims=True)
            odd = np.flatnonzero(~(length[:, 0] > 0) | ~np.isfinite(length[:, 0]))
            if len(odd):
                raise HCSCError(f"row {start + odd[0]} of the embeddings is zero, NaN or infinite")
            yield rows / length

    folder.mkdir(parents=True, exist_ok=True)
    write_array(folder / "embedding.npy", unit_rows(), given.shape, np.float32)
    rows = np.arange(len(given), dtype=np.int64)
    write_array(folder / "rows.npy", [rows], rows.shape, np.int64)
    write_json(folder / "reasons.json", {"num_images": len(given), "reasons": {}})


def open_embeddings(folder: Path) -> Embeddings:
    """What :func:`embed_images` or :func:`take_embeddings` left in a folder, mapped into memory."""
    signature = folder / "signature.npy"
    noted = json.loads((folder / "reasons.json").read_text())
    return Embeddings(
        open_array(folder / "embedding.npy"),
        open_array(signature) if signature.exists() else None,
        np.load(folder / "rows.npy"),
        {int(row): why for row, why in noted["reasons"].items()},
        noted["num_images"],
    )
