"""The contract of ``kmeans`` on FAISS."""

from __future__ import annotations

import torch
from mmengine.dist import all_gather, broadcast, get_rank, get_world_size
from torch import Tensor

from ..errors import HCSCError
from ..utils.progress import track
from ..utils.rendezvous import wait_for_ranks
from ..utils.shard import all_gather_rows
from .kmeans import KMeansResult, check_kmeans_input, nearest_centroid
from .seeding import seed_centroids


def faiss_available() -> bool:
    """Whether FAISS can be imported; a broken installation counts as none and is reported by :func:`faiss_kmeans`."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def faiss_kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    num_iterations: int = 20,
    num_restarts: int = 5,
    init: Tensor | None = None,
    seed: int = 0,
) -> KMeansResult:
    """As :func:`hcsc_mm.clustering.kmeans.kmeans`, by FAISS: on its GPUs if it was built for them and sees one.

    FAISS clusters in one process. With several ranks each gathers all features and runs its share of the restarts; the torch back end
    keeps the features where they are.
    Seeds are those of the torch back end (FAISS would take random rows); FAISS splits a large cluster when one is empty.
    """
    try:
        import faiss
    except ImportError as error:
        raise HCSCError(f"backend='faiss' needs FAISS ({error}); pip install faiss-cpu, faiss-gpu, or set backend='torch'") from error
    num_rows = check_kmeans_input(features, num_clusters, init)
    features = features.detach().float()
    if init is not None:
        starts = [init.detach().float()]
    else:
        starts = [seed_centroids(features, num_rows, num_clusters, seed + restart) for restart in range(num_restarts)]
    points = all_gather_rows(features).cpu().contiguous()
    best, centroids = float("inf"), torch.empty(num_clusters, features.shape[1])
    for start in track(starts[get_rank() :: get_world_size()], f"k-means (FAISS), {num_clusters} clusters"):
        # One restart a call: FAISS does not return to Python before a call has ended.
        run = faiss.Kmeans(
            points.shape[1],
            num_clusters,
            niter=num_iterations,
            nredo=1,
            seed=seed,
            gpu=features.is_cuda and faiss.get_num_gpus() > 0,
            # FAISS would otherwise cluster a sample of 256 rows per cluster, and warn below 39.
            max_points_per_centroid=max(1, len(points)),
            min_points_per_centroid=1,
        )
        objective = float(run.train(points.numpy(), init_centroids=start.cpu().contiguous().numpy()))
        if objective < best:
            best, centroids = objective, torch.from_numpy(run.centroids.copy())
    centroids = centroids.to(features.device)
    if get_world_size() > 1:
        wait_for_ranks("k-means (FAISS)")  # the ranks' shares of the restarts differ
        objectives = torch.cat(all_gather(torch.tensor([best], dtype=torch.float64, device=features.device)))
        broadcast(centroids, src=int(objectives.argmin()))
    return KMeansResult(centroids, *nearest_centroid(features, centroids))
