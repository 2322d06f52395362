"""Exact nearest neighbours, inside and around leaves, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..utils.progress import track
from .duplicates import alike_pairs, duplicate_pairs
from .faiss_library import import_faiss
from .whole_files import open_array, write_array

NUM_NEIGHBOURS = 10  # that outlier scores look at
# Up to so many images each is compared with all others: 10¹⁰ products, a minute on two cores.
EXHAUSTIVE = 100_000
# With more, an image is compared with those of its leaf and of the nearest leaves, until there are
# so many leaves and so many images.
_AROUND_LEAVES, _AROUND_IMAGES = 16, 16_384
_QUERIES = 4096  # at a time


class Neighbours(NamedTuple):
    """Of the n images that can be read.

    Attributes:
        nearest: (n, 10) int64, places of the most similar other images among the n, the most
            similar first; -1 where there are fewer.
        similarity: (n,) float32, cosine of the first.
        spread: (n,) float32, mean Euclidean distance to the 10 most similar images, or to all
            where there are fewer.
        pairs: (P, 2) int64, near-duplicates.
    """

    nearest: NDArray
    similarity: NDArray
    spread: NDArray
    pairs: NDArray


class Found(NamedTuple):
    """Neighbours of some images, the most similar first; an image is none of its own.

    Attributes:
        queries: (q,) int64.
        neighbours: (q, k) int64; -1 where there are fewer.
        distance: (q, k) float32, Euclidean; ∞ there.
    """

    queries: NDArray
    neighbours: NDArray
    distance: NDArray


def search(
    embedding: NDArray,
    leaf: NDArray,
    prototypes: NDArray,
    folder: Path,
    k: int = NUM_NEIGHBOURS,
    exhaustive: int = EXHAUSTIVE,
    since: int = 0,
) -> Iterator[Found]:
    """The k most similar images of each, block by block, by FAISS's exhaustive search.

    Up to ``exhaustive`` images all are compared with all. With more, "around" a leaf are the leaves
    whose prototypes are nearest to its own, the first 16 of them, or more until they hold 16,384
    images: the images of a leaf are compared, exactly, with those of its own and of these.

    Args:
        embedding: (n, D) float32, unit length.
        leaf: (n,) int, prototype of level 0.
        prototypes: (K, D) float32 of level 0.
        folder: For a copy of the embeddings in the order of the leaves.
        k: Neighbours per image.
        exhaustive: Whether all leaves are searched, see above.
        since: Only the neighbours of images from this place on are wanted, among all.

    Raises:
        HCSCError: FAISS is not installed.
    """
    if len(embedding) <= exhaustive:
        everyone = np.arange(len(embedding))
        for start in range(since, len(embedding), _QUERIES):
            yield _nearest(embedding, everyone, everyone[start : start + _QUERIES], k)
        return
    order = np.argsort(leaf, kind="stable")
    sorted_file = folder / "by_leaf.npy"
    pieces = (embedding[order[start : start + 2**14]] for start in range(0, len(order), 2**14))
    write_array(sorted_file, pieces, embedding.shape, np.float32)
    by_leaf = open_array(sorted_file)
    ends = np.bincount(leaf, minlength=len(prototypes)).cumsum()
    starts = np.r_[0, ends[:-1]]
    for around in _surroundings(prototypes, ends - starts):
        slices = [np.arange(starts[one], ends[one]) for one in around]
        places = np.concatenate(slices)
        gathered = np.concatenate([by_leaf[one[0] : one[-1] + 1] for one in slices if len(one)])
        wanted = np.flatnonzero(order[slices[0]] >= since)  # the own leaf comes first
        for start in range(0, len(wanted), _QUERIES):
            yield _nearest(gathered, order[places], wanted[start : start + _QUERIES], k)
    sorted_file.unlink()


def _surroundings(prototypes: NDArray, sizes: NDArray) -> Iterator[NDArray]:
    """Each leaf with images, itself first, and the leaves around it, the nearest first."""
    filled = np.flatnonzero(sizes)
    similarity = prototypes[filled] @ prototypes[filled].T
    np.fill_diagonal(similarity, np.inf)
    for place in track(range(len(filled)), "nearest neighbours"):
        by_distance = filled[np.argsort(-similarity[place], kind="stable")]
        enough = int(np.searchsorted(sizes[by_distance].cumsum(), _AROUND_IMAGES)) + 1
        yield by_distance[: max(_AROUND_LEAVES, enough)]


def _nearest(candidates: NDArray, names: NDArray, queries: NDArray, k: int) -> Found:
    """Among (m, D) candidates called ``names``, for those at the places ``queries``."""
    faiss = import_faiss()
    one_more = min(k + 1, len(candidates))
    similarity, place = faiss.knn(
        np.ascontiguousarray(candidates[queries]),
        np.ascontiguousarray(candidates),
        one_more,
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    # Without itself; where so many copies are as near that it is not listed, without the last.
    other = place != queries[:, None]
    other[other.all(axis=1), -1] = False
    place = place[other].reshape(len(queries), one_more - 1)
    distance = np.sqrt((2 - 2 * similarity[other].reshape(place.shape)).clip(0))
    _refine(candidates, queries, place, distance)
    missing = ((0, 0), (0, k - place.shape[1]))
    return Found(
        names[queries],
        np.pad(names[place], missing, constant_values=-1),
        np.pad(distance, missing, constant_values=np.inf),
    )


def _refine(candidates: NDArray, queries: NDArray, place: NDArray, distance: NDArray) -> None:
    """Distances of the nearest ones from the differences themselves, and their order by these, in
    place: of unit vectors that are close together, √(2 − 2x·y) has few digits that are right.
    """
    nearest = slice(0, NUM_NEIGHBOURS + 2)
    difference = candidates[place[:, nearest]] - candidates[queries][:, None]
    exact = np.sqrt(np.einsum("qkd,qkd->qk", difference, difference))
    order = np.argsort(exact, axis=1, kind="stable")
    distance[:, nearest] = np.take_along_axis(exact, order, axis=1)
    place[:, nearest] = np.take_along_axis(place[:, nearest], order, axis=1)


def outlier_scores(spread: NDArray) -> NDArray:
    """(n,) float32 in [0, 1]: share of the other images that lie closer to their neighbours; 1 for
    the one that is farthest from its own, equal ones share the mean of their places.

    The mean distance to the k nearest is the outlier measure of Angiulli & Pizzuti (2002).

    Args:
        spread: (n,) mean distance of each image to its nearest ones.
    """
    places = rankdata(spread, method="average") - 1
    return (places / max(1, len(spread) - 1)).astype(np.float32)


def find_neighbours(
    embedding: NDArray,
    leaf: NDArray,
    prototypes: NDArray,
    signatures: NDArray | None,
    folder: Path,
    exhaustive: int = EXHAUSTIVE,
    since: int = 0,
) -> Neighbours:
    """Nearest neighbours of images, and near-duplicates: among these neighbours, and where there
    are pictures, among those of the most similar pictures, too.

    Args:
        embedding: (n, D) float32, unit length, n at least 2.
        leaf, prototypes, folder, exhaustive, since: What to search and where, see :func:`search`.
        signatures: (n, 256) uint8, or None, see :func:`duplicate_pairs`.

    Returns:
        Of the images from ``since`` on; places are among all n.
    """
    number = len(embedding) - since
    nearest = np.empty((number, NUM_NEIGHBOURS), np.int64)
    closest, spread = (np.empty(number, np.float32) for _ in range(2))
    pairs = [np.empty((0, 2), np.int64)]
    for found in search(embedding, leaf, prototypes, folder, exhaustive=exhaustive, since=since):
        at = found.queries - since
        nearest[at], closest[at] = found.neighbours, found.distance[:, 0]
        there = np.isfinite(found.distance)
        spread[at] = np.where(there, found.distance, 0).sum(axis=1) / there.sum(axis=1)
        pairs.append(duplicate_pairs(found.queries, found.neighbours, found.distance, signatures))
    if signatures is not None:
        pairs.append(alike_pairs(signatures, exhaustive, since))
    similarity = 1 - closest**2 / 2  # of unit vectors
    return Neighbours(nearest, similarity, spread, np.concatenate(pairs))
