"""FAISS's own k-means, called as the released code calls it, beside ours: figures of
docs/fidelity.md.

python benchmarks/fidelity_faiss.py

About ten minutes on one CPU core. ``--small`` is for a look whether it works; its figures mean
nothing. Needs faiss-cpu and scipy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import faiss
import torch
import torch.nn.functional as F
from fidelity import QUEUE, mixture_features, selection_of
from scipy.stats import mannwhitneyu
from torch import Tensor

from hcsc_mm.clustering import concentration, hierarchical_kmeans, lloyd
from hcsc_mm.clustering.nearest import nearest_centroid
from hcsc_mm.clustering.seeding import sample_rows
from hcsc_mm.structures import PrototypeHierarchy

SIZES = {
    "paper": {"rows": 12_000, "levels": (1500, 1000, 500), "mixture": 500, "seeds": 8},
    "small": {"rows": 400, "levels": (60, 40, 20), "mixture": 20, "seeds": 2},
}
ITERATIONS, RESTARTS, CAP = 20, 5, 1000
# Seeds of ours are so far apart that no two runs share a restart.
APART = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per figure as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="seconds, and no figures to quote")
    size = SIZES["small" if parser.parse_args(arguments).small else "paper"]
    features = mixture_features(size["rows"], size["mixture"])
    number = size["levels"][0]
    for lines in (
        hierarchies(features, size["levels"], size["seeds"]),
        refill(features, number, size["seeds"]),
        cap(features, len(features) // (2 * CAP) or 4, size["seeds"], CAP if number > 60 else 10),
    ):
        for line in lines:
            print(line, flush=True)


def hierarchies(features: Tensor, levels: Sequence[int], seeds: int) -> Iterator[str]:
    """Trees of several seeds: means and standard deviations of what the selection depends on."""
    ways: dict[str, Callable[[int], PrototypeHierarchy]] = {
        "FAISS": partial(faiss_tree, features, levels),
        "ours, random rows": partial(_our_tree, features, levels, "random"),
        "ours, k-means++": partial(_our_tree, features, levels, "k-means++"),
    }
    found: dict[str, Tensor] = {}
    for name, tree_of in ways.items():
        trees = [statistics(features, tree_of(seed)) for seed in range(seeds)]
        found[name] = torch.stack(trees)  # (seeds, L, 4)
        for level, (mean, spread) in enumerate(
            zip(found[name].mean(dim=0), found[name].std(dim=0), strict=True), start=1
        ):
            yield (
                f"{name}, level {level}: objective {mean[0]:.2f} ± {spread[0]:.2f}; "
                f"concentrations' standard deviation {mean[1]:.4f} ± {spread[1]:.4f}; "
                f"rejected {100 * mean[2]:.4f} ± {100 * spread[2]:.4f} % of pairs; own prototype "
                f"kept with p < 0.5: {100 * mean[3]:.2f} ± {100 * spread[3]:.2f} % of keys"
            )
    for name in list(found)[1:]:
        chances = mannwhitneyu(found["FAISS"].flatten(1), found[name].flatten(1)).pvalue
        yield (
            f"FAISS against {name}, {seeds} seeds each: {int((chances < 0.05).sum())} of "
            f"{chances.size} statistics differ at p < .05 (Mann-Whitney), smallest p "
            f"{chances.min():.4f}"
        )


def statistics(features: Tensor, tree: PrototypeHierarchy) -> Tensor:
    """(L, 4) float64 per level: objective, standard deviation of the concentrations, share of all
    pairs rejected, share of keys whose own prototype is kept with less than 0.5.
    """
    rows = []
    queue = features[: min(len(features), QUEUE)]
    members = features
    assignments = [tree.assignment, *tree.parents]
    levels = zip(assignments, tree.prototypes, selection_of(tree, queue), strict=True)
    for assignment, prototypes, (phi, share, unlikely) in levels:
        sums = torch.zeros(len(prototypes), members.shape[1], dtype=torch.float64)
        sums.index_add_(0, assignment.long(), members.double())
        counts = torch.bincount(assignment, minlength=len(prototypes)).clamp(min=1)
        objective = (members - (sums / counts[:, None])[assignment.long()]).square().sum()
        rows.append([float(objective), float(phi.std()), share, unlikely])
        members = prototypes
    return torch.tensor(rows, dtype=torch.float64)


def faiss_tree(features: Tensor, levels: Sequence[int], seed: int) -> PrototypeHierarchy:
    """The released code's clustering: FAISS on the features, then on the unit-length centroids."""
    members, assignments, prototypes, concentrations = features, [], [], []
    for number in levels:
        settings = dict(nredo=RESTARTS, seed=seed, max_points_per_centroid=CAP)
        centroids, distance, assignment = faiss_kmeans(members, number, **settings)
        assignments.append(assignment.int())
        prototypes.append(F.normalize(centroids, dim=1))
        concentrations.append(concentration(distance.clamp(min=0).sqrt(), assignment, number))
        members = prototypes[-1]
    return PrototypeHierarchy(
        assignment=assignments[0],
        parents=tuple(assignments[1:]),
        prototypes=tuple(prototypes),
        concentrations=tuple(concentrations),
    )


def faiss_kmeans(
    rows: Tensor, number: int, init: Tensor | None = None, **settings
) -> tuple[Tensor, Tensor, Tensor]:
    """(K, D) centroids, (n,) squared distances and (n,) assignments of ``faiss.Kmeans``; its
    threshold ``min_points_per_centroid`` only warns.
    """
    run = faiss.Kmeans(
        rows.shape[1], number, niter=ITERATIONS, min_points_per_centroid=1, **settings
    )
    run.train(rows.numpy(), init_centroids=None if init is None else init.numpy())
    distance, assignment = run.index.search(rows.numpy(), 1)
    return (
        torch.from_numpy(run.centroids),
        torch.from_numpy(distance).squeeze(1),
        torch.from_numpy(assignment).squeeze(1),
    )


def _our_tree(
    features: Tensor, levels: Sequence[int], seeding: str, seed: int
) -> PrototypeHierarchy:
    return hierarchical_kmeans(
        features, levels, temperature=0.2, seed=seed * APART, seeding=seeding
    )


def refill(features: Tensor, number: int, seeds: int) -> Iterator[str]:
    """One run of twenty iterations from the same rows: what remains is how an empty cluster is
    filled, by half of a large one or by the farthest row.
    """
    for ours, splits in (("halves of large clusters", True), ("the farthest rows", False)):
        gaps = []
        for seed in range(seeds):
            start = sample_rows(features, len(features), number, seed)
            run = lloyd.lloyd(features, start, ITERATIONS, _nearest, tolerance=0.0, splits=splits)
            _, distance, _ = faiss_kmeans(features, number, init=start, nredo=1)
            gaps.append(float(distance.sum(dtype=torch.float64)) / run.objective - 1)
        yield _gap(f"FAISS from the same rows as ours with {ours}", "objective", gaps)


def cap(features: Tensor, number: int, seeds: int, rows: int) -> Iterator[str]:
    """Few clusters, so that each would have more rows than the released cap: objective of all rows
    around centroids of a sample, against that around centroids of all.
    """
    gaps = []
    for seed in range(seeds):
        objectives = []
        for most in (rows, len(features)):
            settings = dict(nredo=RESTARTS, seed=seed, max_points_per_centroid=most)
            _, distance, _ = faiss_kmeans(features, number, **settings)
            objectives.append(float(distance.sum(dtype=torch.float64)))
        gaps.append(objectives[0] / objectives[1] - 1)
    share = len(features) / (rows * number)
    name = f"FAISS with at most {rows} rows per centroid, where all would be {share:.1f} times that"
    yield _gap(name, f"objective of {number} clusters", gaps)


def _nearest(rows: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    return nearest_centroid(rows, centroids, memory_mb=256)


def _gap(name: str, what: str, gaps: Sequence[float]) -> str:
    gap = 100 * torch.tensor(gaps)
    return f"{name}: {what} {gap.mean():+.3f} ± {gap.std():.3f} %, {len(gaps)} seeds"


if __name__ == "__main__":
    main()
