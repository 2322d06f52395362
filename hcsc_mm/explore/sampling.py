"""Subsets that are even over the tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import HCSCError

PICKS = ("random", "closest", "farthest")


def sample_balanced(
    path: Sequence[NDArray],
    number: int,
    *,
    pick: str = "random",
    distance: NDArray | None = None,
    seed: int = 0,
) -> NDArray:
    """Hierarchical sampling (Vo et al., Automatic Data Curation for Self-Supervised Learning, 2024,
    Section 3.3): the number is shared out down the tree.

    On each level a node's share goes to its children in equal parts; a child with fewer images
    gives all that it has, and the others take what it leaves. So n is found with Σ min(n, images of
    the child) = the share, and rare things come up as often as frequent ones.

    Args:
        path: (n,) int per level, level 0, the finest, first: nodes of the images.
        number: To draw, at most n.
        pick: Which images of a leaf: 'random', or those 'closest' to its prototype, or 'farthest'.
        distance: (n,) to the prototype of level 0, for 'closest' and 'farthest'.
        seed: Seeds the draw, and decides who gets what cannot be shared out evenly.

    Returns:
        (number,) int64 places among the n, ascending.

    Raises:
        HCSCError: the number is out of range.
    """
    path, random = [np.asarray(level) for level in path], np.random.default_rng(seed)
    key = _order_in_leaves(path[0], number, pick, distance, random)
    members = np.arange(len(path[0]))
    return np.sort(_share_out(path, len(path) - 1, members, number, key, random))


def _share_out(
    path: list[NDArray],
    level: int,
    members: NDArray,
    number: int,
    key: NDArray,
    random: np.random.Generator,
) -> NDArray:
    """``number`` of the members of a node, whose children are nodes of ``level``."""
    if number == len(members):
        return members
    if level < 0:
        return members[np.argsort(key[members], kind="stable")[:number]]
    order = np.argsort(path[level][members], kind="stable")
    nodes = path[level][members][order]
    families = np.split(members[order], np.flatnonzero(nodes[1:] != nodes[:-1]) + 1)
    shares = equal_shares(np.array([len(family) for family in families]), number, random)
    drawn = [
        _share_out(path, level - 1, family, share, key, random)
        for family, share in zip(families, shares.tolist(), strict=True)
        if share
    ]
    return np.concatenate(drawn)


def equal_shares(sizes: NDArray, number: int, random: np.random.Generator) -> NDArray:
    """(m,) min(n, size) for the n that makes them add up to ``number``; what is left below one for
    each goes to some of those that have more, drawn.

    Args:
        sizes: (m,) images of each.
        number: To share out, at most their sum.
        random: Generator of the draws.
    """
    low, high = 0, int(sizes.max())  # Σ min(n, size) grows with n
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(middle, sizes).sum() <= number:
            low = middle
        else:
            high = middle - 1
    shares = np.minimum(low, sizes)
    left = number - int(shares.sum())
    if left:
        shares[random.choice(np.flatnonzero(sizes > low), left, replace=False)] += 1
    return shares


def sample_proportional(
    path: Sequence[NDArray],
    number: int,
    *,
    pick: str = "random",
    distance: NDArray | None = None,
    seed: int = 0,
) -> NDArray:
    """Every leaf in proportion to its images, to the next whole number: the tree in small.

    In the order of the tree every (n / number)-th image is taken, from a random start.

    Args and Returns: as :func:`sample_balanced`.
    """
    path, random = [np.asarray(level) for level in path], np.random.default_rng(seed)
    key = _order_in_leaves(path[0], number, pick, distance, random)
    quota = np.bincount(path[0]) * (number / len(path[0]))
    by_tree = np.lexsort((key, *path))
    leaves = path[0][by_tree]
    starts = np.flatnonzero(np.r_[True, leaves[1:] != leaves[:-1]])
    # Cumulative rounding: the shares differ from the quotas by less than one, and add up.
    bounds = np.floor(quota[leaves[starts]].cumsum() + random.random() - 1e-9).astype(np.int64)
    bounds[-1] = number
    shares = np.diff(np.r_[0, np.minimum(bounds, number)])
    place = np.arange(len(leaves)) - np.repeat(starts, np.diff(np.r_[starts, len(leaves)]))
    wanted = place < np.repeat(shares, np.diff(np.r_[starts, len(leaves)]))
    return np.sort(by_tree[wanted])


def _order_in_leaves(
    leaf: NDArray, number: int, pick: str, distance: NDArray | None, random: np.random.Generator
) -> NDArray:
    """(n,) keys; of a leaf the images with the smallest are drawn first."""
    if not 0 < number <= len(leaf):
        raise HCSCError(f"number={number} must lie in [1, {len(leaf)}], the images to draw from")
    if pick not in PICKS:
        raise HCSCError(f"pick={pick!r} is unknown; choose {', '.join(map(repr, PICKS))}")
    if pick == "random":
        return random.random(len(leaf))
    if distance is None:
        raise HCSCError(f"pick={pick!r} needs the distances to the prototypes")
    return distance if pick == "closest" else -distance


def one_per_group(group: NDArray, score: NDArray) -> NDArray:
    """(n,) bool: of each group of near-duplicates the image with the smallest score, and all images
    of no group.

    Args:
        group: (n,) int, -1 for none.
        score: (n,).
    """
    keep = group < 0
    order = np.lexsort((score, group))
    order = order[group[order] >= 0]
    first = np.r_[True, group[order][1:] != group[order][:-1]]
    keep[order[first[: len(order)]]] = True
    return keep
