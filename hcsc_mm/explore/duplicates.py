"""Near-duplicates: the same picture recompressed, resized or flipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..apis.image_view import SIGNATURE_SIDE

# Mean difference of 16 × 16 grey pixels, of 255, up to which two pictures are the same.
MOST_DIFFERENCE = 2.5
# A picture with little contrast differs little from others like it: its limit is this share of the
# standard deviation of its pixels, but no less than what compression alone changes.
_SHARE_OF_CONTRAST, _LEAST_DIFFERENCE = 0.1, 0.5
# Without pictures: embeddings that nothing but rounding tells apart.
_SAME_EMBEDDING = 0.9999


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
    queries: NDArray, neighbours: NDArray, similarity: NDArray, signatures: NDArray | None
) -> NDArray:
    """(P, 2) int64 pairs of near-duplicates among images and their neighbours.

    Args:
        queries: (q,) int64 images.
        neighbours: (q, k) int64, -1 for none.
        similarity: (q, k) cosines.
        signatures: (n, 256) of all images; None where there are no pictures, only embeddings.
    """
    pairs = np.stack([np.repeat(queries, neighbours.shape[1]), neighbours.reshape(-1)], axis=1)
    there = pairs[:, 1] >= 0
    if signatures is None:
        return pairs[there & (similarity.reshape(-1) >= _SAME_EMBEDDING)]
    pairs = pairs[there]
    same = [
        same_picture(signatures[piece[:, 0]], signatures[piece[:, 1]])
        for piece in np.array_split(pairs, max(1, len(pairs) // 2**14))
    ]
    return pairs[np.concatenate(same)]


def duplicate_groups(pairs: NDArray, number: int) -> NDArray:
    """(n,) int32 group of each image: those that pairs connect, numbered from 0 in the order of
    their first images; -1 for an image without a near-duplicate.

    Args:
        pairs: (P, 2) int64.
        number: n.
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
