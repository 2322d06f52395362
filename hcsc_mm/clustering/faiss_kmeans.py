"""The contract of ``kmeans`` with FAISS's search for the nearest centroid."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import HCSCError
from .kmeans import KMeansResult, cluster

# Rows that FAISS searches at once: Ctrl-C waits for no more than these.
_ROWS = 2**16


def faiss_kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    num_iterations: int = 20,
    num_restarts: int = 5,
    init: Tensor | None = None,
    seed: int = 0,
    seeding: str = "k-means++",
    memory_mb: int = 256,
) -> KMeansResult:
    """As :func:`hcsc_mm.clustering.kmeans.kmeans`, each rank's rows searched by FAISS: on its GPU
    if FAISS was built for GPUs.

    ``faiss.Kmeans`` itself works in one process, runs every restart on all rows and never stops
    early. Its search of an exact flat index is what makes it fast, and that is used here, inside
    the iterations of the torch back end. FAISS minds its own memory: ``memory_mb`` has no effect.
    """
    try:
        import faiss
        import faiss.contrib.torch_utils
    except (ImportError, RuntimeError) as error:  # faiss-gpu without CUDA's libraries
        raise HCSCError(
            f"backend='faiss' needs FAISS ({error}); pip install faiss-cpu, faiss-gpu, or set "
            "backend='torch'"
        ) from error
    if features.is_cuda and not hasattr(faiss, "StandardGpuResources"):
        raise HCSCError(
            "backend='faiss' on a GPU needs faiss-gpu; the installed FAISS knows the CPU only. Set "
            "backend='torch'"
        )
    resources = faiss.StandardGpuResources() if features.is_cuda else None

    def nearest(rows: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
        """(n, D), (K, D) → the nearest centroid of each row, (n,) int64, and its squared distance,
        (n,); looked up in pieces of ``_ROWS``, so that Ctrl-C is heard.
        """
        index = (
            faiss.IndexFlatL2(rows.shape[1])
            if resources is None
            else faiss.GpuIndexFlatL2(resources, rows.shape[1])
        )
        index.add(centroids.contiguous())
        assignment = torch.empty(len(rows), dtype=torch.long, device=rows.device)
        distance = rows.new_empty(len(rows))
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            assignment[part] = index.search(rows[part].contiguous(), 1)[1].squeeze(1)
            distance[part] = (rows[part] - centroids[assignment[part]]).square().sum(dim=1)
        return assignment, distance

    return cluster(
        features, num_clusters, num_iterations, num_restarts, init, seed, seeding, nearest=nearest
    )
