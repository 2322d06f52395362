"""From features to the tree of prototypes (HCSC, Section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import broadcast, get_world_size
from torch import Tensor

from ..errors import HCSCError
from ..structures import PrototypeHierarchy, Shard
from ..utils.shard import all_gather_rows, first_row, global_sum, shard_slice, total_rows
from .faiss_kmeans import faiss_kmeans
from .kmeans import kmeans
from .seeding import GREEDY_POINTS
from .ward import ward_centroids

BACKENDS = {"torch": kmeans, "faiss": faiss_kmeans}


def hierarchical_kmeans(
    features: Tensor,
    num_prototypes: Sequence[int],
    *,
    temperature: float = 0.2,
    backend: str = "torch",
    warm_start: PrototypeHierarchy | None = None,
    seed: int = 0,
    seeding: str = "k-means++",
    memory_mb: int = 256,
    sharded: bool = False,
) -> PrototypeHierarchy:
    """Cluster the features, then the unit-length centroids, and so on up.

    Args:
        features: (n, D) float, unit length; with several ranks each gives its own shard, in the
            order of the data set.
        num_prototypes: K_l, finest first, strictly decreasing.
        temperature: Mean of every level's concentrations.
        backend: 'torch' (the default): as fast in ``benchmarks/``, within a memory budget, and
            exact where float32 cannot tell two centroids apart. 'faiss': its search for the nearest
            centroid.
        warm_start: The last hierarchy; its prototypes are the first centroids of a single run per
            level.
        seed: Seeds the choice of first centroids; equal seeds give equal trees.
        seeding: How the first centroids are chosen: 'k-means++' (the default), 'random' as in the
            released code, or 'ward', see :func:`kmeans`. Ward's method weighs up to 4096 prototypes
            by their images where it makes the next level of them.
        memory_mb: Memory that the torch back end may use beyond the features and the result, in MiB
            per rank.
        sharded: Each rank keeps the prototypes of its own rows alone, 4 bytes a row, instead of
            all; off by default. On one rank there is no difference.

    Returns:
        The same hierarchy on all ranks, on the features' device; with ``sharded`` each rank's with
        its own :class:`Shard`.

    Raises:
        HCSCError: numbers of prototypes that do not decrease, exceed the images or fall below 2, or
            features that cannot be clustered.
    """
    cluster = BACKENDS[resolve_backend(backend)]
    num_rows = total_rows(features)
    check_num_prototypes(num_prototypes, num_rows)
    if warm_start is not None and warm_start.num_prototypes != tuple(num_prototypes):
        raise HCSCError(
            f"warm_start has {warm_start.num_prototypes} prototypes, wanted are "
            f"{tuple(num_prototypes)}"
        )
    sharded = sharded and get_world_size() > 1
    members, assignments, prototypes, concentrations = features, [], [], []
    shard, sizes = None, None  # (K,) images of each prototype of the last level
    for level, num_clusters in enumerate(num_prototypes):
        init = None if warm_start is None else warm_start.prototypes[level].to(features.device)
        if init is None and seeding == "ward" and level and len(sizes) <= GREEDY_POINTS:
            init = ward_centroids(prototypes[-1], num_clusters, sizes.clamp(min=1))
            if get_world_size() > 1:
                broadcast(init)
        result = cluster(
            members, num_clusters, init=init, seed=seed, seeding=seeding, memory_mb=memory_mb
        )
        assignment, centroids = result.assignment.int(), result.centroids
        totals = global_sum(
            _totals(result.squared_distance.sqrt(), result.assignment, num_clusters)
        )
        concentrations.append(_concentration(totals, temperature))
        if sharded and level == 0:
            shard = Shard(first_row(features), num_rows, totals[1].long())
        else:
            assignment = all_gather_rows(assignment)
        sizes = totals[1].long() if level == 0 else _summed(sizes, assignment, num_clusters)
        assignments.append(assignment)
        if (
            get_world_size() > 1
        ):  # equal to the last bit on every rank: they select the same negatives
            broadcast(centroids)
            broadcast(concentrations[-1])
        prototypes.append(_unit_length(centroids))
        members = prototypes[-1][shard_slice(num_clusters)]
    return PrototypeHierarchy(
        assignment=assignments[0],
        parents=tuple(assignments[1:]),
        prototypes=tuple(prototypes),
        concentrations=tuple(concentrations),
        shard=shard,
    )


def concentration(
    distance: Tensor, assignment: Tensor, num_clusters: int, *, temperature: float = 0.2
) -> Tensor:
    """Concentration φ of every cluster of a level: small for a tight or populous cluster (HCSC,
    Section 3.2; PCL, Section 3.3).

    mean‖x − centroid‖ / log(n + 10) over the n members. A cluster of one member or none has no
    spread of its own and takes the level's largest value. The level is then clipped to its 10th and
    90th percentile and scaled to a mean of ``temperature``.

    Args:
        distance: (M,) L2 distance, not squared, of each member to its un-normalised centroid.
        assignment: (M,) int, each member's cluster.
        num_clusters: How many clusters the level has, K.
        temperature: Mean of the result.

    Returns:
        (K,) float32 > 0. If no cluster has a spread (only singletons, only duplicates), all are
        ``temperature``.
    """
    return _concentration(_totals(distance, assignment.long(), num_clusters), temperature)


def _summed(sizes: Tensor, assignment: Tensor, num_clusters: int) -> Tensor:
    """(K,) int64 images of the clusters of prototypes that have so many each."""
    return sizes.new_zeros(num_clusters).index_add_(0, assignment.long(), sizes)


def _totals(distance: Tensor, assignment: Tensor, num_clusters: int) -> Tensor:
    """(2, K) float64 sum of the members' distances and number of members: what the shards of all
    ranks add up to.
    """
    totals = torch.zeros(2, num_clusters, dtype=torch.float64, device=distance.device)
    totals[0].index_add_(0, assignment, distance.double())
    totals[1] = torch.bincount(assignment, minlength=num_clusters)
    return totals


def _concentration(totals: Tensor, temperature: float) -> Tensor:
    total, count = totals
    spread = total / count.clamp(min=1) / (count + 10).log()
    several = count > 1
    if not bool((several & (spread > 0)).any()):
        return torch.full_like(spread, temperature, dtype=torch.float32)
    spread = torch.where(several, spread, spread[several].max())
    low, high = torch.quantile(spread, spread.new_tensor([0.1, 0.9]))
    spread = spread.clamp(low, high)
    if not bool(high > 0):  # duplicates in nine clusters of ten
        return torch.full_like(spread, temperature, dtype=torch.float32)
    # Many clusters of duplicates bring the 10th percentile to 0, and a division by φ = 0 with it.
    spread = spread.clamp(min=1e-3 * float(spread.mean()))
    return (spread * (temperature / spread.mean())).float()


def check_num_prototypes(num_prototypes: Sequence[int], num_samples: int | None = None) -> None:
    """Refuse numbers of prototypes that make no hierarchy over ``num_samples`` images, or over any
    if that is None.
    """
    if isinstance(num_prototypes, str) or not isinstance(num_prototypes, Sequence):
        raise HCSCError(
            f"num_prototypes={num_prototypes!r} must be a list of one number per level, finest "
            "first, such as (3000, 2000, 1000)"
        )
    if len(num_prototypes) == 0:
        raise HCSCError(
            "num_prototypes is empty; give one number per level, finest first, such as (3000, "
            "2000, 1000)"
        )
    for level, number in enumerate(num_prototypes):
        if isinstance(number, bool) or not isinstance(number, int):
            raise HCSCError(f"num_prototypes[{level}]={number!r} must be a whole number")
        if number < 2:
            raise HCSCError(
                f"num_prototypes[{level}]={number} must be at least 2; with one prototype a level "
                "says nothing"
            )
        if level == 0 and num_samples is not None and number > num_samples:
            raise HCSCError(
                f"num_prototypes[0]={number} exceeds the {num_samples} training images; set at "
                f"most {num_samples}"
            )
        if level > 0 and number >= num_prototypes[level - 1]:
            raise HCSCError(
                f"num_prototypes[{level}]={number} must be below "
                f"num_prototypes[{level - 1}]={num_prototypes[level - 1]}; "
                "levels go from fine to coarse"
            )


def resolve_backend(backend: str) -> str:
    """Refuse a back end that does not exist; 'auto' of 0.1.0 always meant torch."""
    if backend == "auto":
        return "torch"
    if backend not in BACKENDS:
        raise HCSCError(
            f"backend={backend!r} is unknown; choose one of {', '.join(map(repr, BACKENDS))}"
        )
    return backend


def _unit_length(centroids: Tensor) -> Tensor:
    """Prototypes of the centroids.

    A centroid at the origin (opposite members) has no direction and gets a fixed one.
    """
    at_origin = centroids.norm(dim=1) < 1e-12
    axis = torch.arange(len(centroids), device=centroids.device) % centroids.shape[1]
    fixed = F.one_hot(axis, centroids.shape[1]).to(centroids.dtype)
    return torch.where(at_origin[:, None], fixed, F.normalize(centroids, dim=1))
