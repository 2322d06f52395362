from .default_levels import default_num_prototypes, default_seeding
from .faiss_kmeans import faiss_kmeans
from .hierarchical_kmeans import (
    check_num_prototypes,
    concentration,
    hierarchical_kmeans,
    resolve_backend,
)
from .kmeans import KMeansResult, kmeans

__all__ = [
    "KMeansResult",
    "check_num_prototypes",
    "concentration",
    "default_num_prototypes",
    "default_seeding",
    "faiss_kmeans",
    "hierarchical_kmeans",
    "kmeans",
    "resolve_backend",
]
