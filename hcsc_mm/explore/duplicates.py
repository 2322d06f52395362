"""Near-duplicates: the same picture recompressed, resized or flipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..apis.image_view import SIGNATURE_SIDE
from ..utils.progress import track
from .faiss_library import import_faiss

_ROWS = 2**14  # at a time
_ALIKE = 5  # pictures that each is compared with

# Mean difference of 16 × 16 grey pixels, of 255, up to which two pictures are the same.
MOST_DIFFERENCE = 2.5
# A picture with little contrast differs little from others like it: its limit is this share of the
# standard deviation of its pixels, but no less than what compression alone changes.
_SHARE_OF_CONTRAST, _LEAST_DIFFERENCE = 0.1, 0.5
# Without pictures: distance of embeddings that nothing but half precision tells apart.
_SAME_EMBEDDING = 1e-3


def same_picture(one: NDArray, other: NDArray) -> NDArray:
    """(P,) bool whether pairs of images show the same picture, one of them perhaps flipped.

    Args:
        one, other: (P, 256) uint8, see :func:`hcsc_mm.apis.image_view.signature`.
    """
    side = SIGNATURE_SIDE
    one, other = (pixels.reshape(-1, side, side).astype(np.float32) for pixels in (one, other))
    difference = np.minimum(
        np.abs(one - other).mean(axis=(1, 2)), np.abs(one - other[:, :, ::-1]).mean(axis=(1, 2))
    )
    contrast = np.minimum(one.std(axis=(1, 2)), other.std(axis=(1, 2)))
    limit = (_SHARE_OF_CONTRAST * contrast).clip(_LEAST_DIFFERENCE, MOST_DIFFERENCE)
    return difference <= limit


def duplicate_pairs(
    queries: NDArray, neighbours: NDArray, distance: NDArray, signatures: NDArray | None
) -> NDArray:
    """(P, 2) int64 pairs of near-duplicates among images and their neighbours.

    Args:
        queries: (q,) int64 images.
        neighbours: (q, k) int64, -1 for none.
        distance: (q, k) float32 Euclidean distances of the embeddings.
        signatures: (n, 256) of all images; None where there are no pictures, only embeddings.
    """
    pairs = np.stack([np.repeat(queries, neighbours.shape[1]), neighbours.reshape(-1)], axis=1)
    there = pairs[:, 1] >= 0
    if signatures is None:
        return pairs[there & (distance.reshape(-1) <= _SAME_EMBEDDING)]
    return _same_pairs(pairs[there], signatures)


def alike_pairs(signatures: NDArray, exhaustive: int, since: int = 0) -> NDArray:
    """(P, 2) int64 pairs of near-duplicates among pictures that are alike, whatever a network makes
    of them: few embeddings are the same for a picture and its mirror image.

    The two halves of a picture, one of them flipped, are averaged: what is left is the same for the
    mirror image. By this the 5 nearest pictures of each are found, among all, or with more than
    ``exhaustive`` images in the 8 nearest of √n cells (FAISS's IVF): a copy is so near that it
    rarely lies in another one.

    Args:
        signatures: (n, 256) uint8.
        exhaustive: Whether all leaves are searched, see above.
        since: Only pairs with an image from this place on are wanted.
    """
    number = len(signatures)
    found = [np.empty((0, 2), np.int64)]
    index = _index(signatures, exhaustive)
    for start in track(range(since, number, _ROWS), "near-duplicates"):
        queries = np.arange(start, min(start + _ROWS, number))
        _, near = index.search(folded(signatures[queries]), min(_ALIKE + 1, number))
        pairs = np.stack([np.repeat(queries, near.shape[1]), near.reshape(-1)], axis=1)
        pairs = pairs[(pairs[:, 1] >= 0) & (pairs[:, 0] != pairs[:, 1])]
        found.append(_same_pairs(pairs, signatures))
    return np.concatenate(found)


def _index(signatures: NDArray, exhaustive: int) -> Any:
    """A search over folded pictures; one byte a number."""
    faiss = import_faiss()
    number, dim = len(signatures), SIGNATURE_SIDE**2 // 2
    exact = faiss.ScalarQuantizer.QT_8bit_direct
    if number <= exhaustive:
        index = faiss.IndexScalarQuantizer(dim, exact, faiss.METRIC_L2)
    else:
        cells = round(number**0.5)
        coarse = faiss.IndexFlatL2(dim)
        index = faiss.IndexIVFScalarQuantizer(coarse, dim, cells, exact, faiss.METRIC_L2, False)
        index.nprobe = 8
        sample = np.linspace(0, number - 1, min(number, 64 * cells)).astype(np.int64)
        index.train(folded(signatures[sample]))
    for start in range(0, number, _ROWS):
        index.add(folded(signatures[start : start + _ROWS]))
    return index


def folded(signatures: NDArray) -> NDArray:
    """(n, 128) float32: the mean of the left half and the flipped right half."""
    side = SIGNATURE_SIDE
    pixels = signatures.reshape(-1, side, side).astype(np.uint16)
    mean = (pixels[:, :, : side // 2] + pixels[:, :, : side // 2 - 1 : -1] + 1) // 2
    return np.ascontiguousarray(mean.reshape(len(pixels), -1), dtype=np.float32)


def _same_pairs(pairs: NDArray, signatures: NDArray) -> NDArray:
    """Those of (P, 2) pairs that show the same picture."""
    same = [
        same_picture(signatures[piece[:, 0]], signatures[piece[:, 1]])
        for piece in np.array_split(pairs, max(1, len(pairs) // _ROWS))
    ]
    return pairs[np.concatenate(same)]


def duplicate_groups(pairs: NDArray, number: int) -> NDArray:
    """(n,) int32 group of each image: those that pairs connect, numbered from 0 in the order of
    their first images; -1 for an image without a near-duplicate.

    Args:
        pairs: (P, 2) int64.
        number: How many images there are, n.
    """
    if len(pairs) == 0:
        return np.full(number, -1, np.int32)
    graph = coo_matrix((np.ones(len(pairs), bool), pairs.T), shape=(number, number))
    _, component = connected_components(graph, directed=False)
    several = np.bincount(component)[component] > 1
    _, first, place = np.unique(component[several], return_index=True, return_inverse=True)
    groups = np.full(number, -1, np.int32)
    groups[several] = np.argsort(np.argsort(first))[place]
    return groups
