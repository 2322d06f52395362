"""Hierarchical k-means at ImageNet's size on the device that trains: seconds, memory, objective."""

from __future__ import annotations

import torch
from bench_clustering import _objective, mixture
from measure import Row, absolute, in_turns, seconds, slower

from hcsc_mm.clustering import hierarchical_kmeans

IMAGES = {"tiny": 4000, "small": 50_000, "large": 1_281_167}
PROTOTYPES = {"tiny": (60, 40, 20), "small": (3000, 2000, 1000), "large": (3000, 2000, 1000)}
SECONDS = 20.0  # at most, on an H100 or H200


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """PyTorch's k-means and FAISS's assignment, each from new seeds."""
    features, levels = mixture(IMAGES[scale]).to(device), PROTOTYPES[scale]
    objectives: dict[str, list[float]] = {"torch": [], "faiss": []}
    backends = ["torch", "faiss"] if _faiss_knows(device) else ["torch"]

    def cluster(backend: str) -> None:
        hierarchy = hierarchical_kmeans(features, levels, backend=backend)
        objectives[backend].append(_objective(features, hierarchy)[0])

    hierarchical_kmeans(features[:2000], (20, 10), backend="torch")  # warm up
    _forget_peak(device)
    times = in_turns(
        {b: lambda b=b: seconds(lambda: cluster(b), device) for b in backends}, repeats
    )
    k = "/".join(map(str, levels))
    what = f"hierarchical k-means, {len(features)} × {features.shape[1]}, K {k}"
    found = [
        absolute(f"{what}, PyTorch", times["torch"], SECONDS if scale == "large" else None, "s")
    ]
    if "faiss" in backends:
        found.append(
            slower(f"{what}, PyTorch : FAISS", times["torch"], times["faiss"], None, "s", 1)
        )
        name = "sum of squared distances of level 0, PyTorch : FAISS"
        found.append(slower(name, objectives["torch"], objectives["faiss"], 1.005, "", 1))
    if torch.device(device).type == "cuda":
        beyond = (torch.cuda.max_memory_allocated() - features.nbytes) / 2**20
        found.append(absolute("memory of the device beyond the features", [beyond], None, "MiB"))
    return found


def _faiss_knows(device: str) -> bool:
    """Whether there is a FAISS for the device; what is left out is said."""
    try:
        import faiss
    except ImportError:
        print("FAISS is left out: it is not installed", flush=True)
        return False
    known = torch.device(device).type == "cpu" or hasattr(faiss, "StandardGpuResources")
    if not known:
        print("FAISS is left out: the one installed knows no GPU", flush=True)
    return known


def _forget_peak(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
