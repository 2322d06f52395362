"""The method's formulas once more, as loops over numbers in float64; written from the paper's
arithmetic, not from the package.
"""

import math
from collections.abc import Sequence

import numpy as np


def info_nce(positive: float, negatives: Sequence[float]) -> float:
    """−log of the positive's share; −inf negatives have none."""
    return -math.log(
        math.exp(positive) / (math.exp(positive) + sum(math.exp(value) for value in negatives))
    )


def selective_info_nce(positive, negative, keep=None, rejected: str = "zero") -> float:
    terms = []
    for row, own in enumerate(np.asarray(positive, dtype=np.float64)):
        kept = []
        for column, value in enumerate(np.asarray(negative, dtype=np.float64)[row]):
            if keep is None or keep[row][column]:
                kept.append(value)
            elif rejected == "zero":
                kept.append(0.0)
        terms.append(info_nce(own, kept))
    return sum(terms) / len(terms)


def keep_probability(
    candidates, prototypes, concentrations, anchors, clamp=(0.0, 1.0)
) -> np.ndarray:
    candidates, prototypes = (
        np.asarray(candidates, dtype=np.float64),
        np.asarray(prototypes, dtype=np.float64),
    )
    result = np.empty((len(anchors), len(candidates)))
    for column, candidate in enumerate(candidates):
        weights = [
            math.exp(candidate @ prototype / float(phi))
            for prototype, phi in zip(prototypes, concentrations, strict=True)
        ]
        for row, anchor in enumerate(anchors):
            result[row, column] = min(
                max(1 - weights[int(anchor)] / sum(weights), clamp[0]), clamp[1]
            )
    return result


def concentration(distance, assignment, num_clusters: int, temperature: float = 0.2) -> np.ndarray:
    spreads: list[float | None] = []
    for cluster in range(num_clusters):
        members = [float(d) for d, a in zip(distance, assignment, strict=True) if int(a) == cluster]
        spreads.append(
            sum(members) / len(members) / math.log(len(members) + 10) if len(members) > 1 else None
        )
    known = [spread for spread in spreads if spread is not None]
    if not known:
        return np.full(num_clusters, temperature)
    level = np.array([max(known) if spread is None else spread for spread in spreads])
    level = np.clip(level, np.percentile(level, 10), np.percentile(level, 90))
    return level * temperature / level.mean()


def hcsc_losses(
    queries,
    key,
    queue,
    hierarchy,
    path,
    draws,
    *,
    options,
    temperature,
):
    """(instance, prototype) loss per view, from the table of options in reference/hcsc.md."""
    queries = [np.asarray(query.detach(), dtype=np.float64) for query in queries]
    key, queue = np.asarray(key, dtype=np.float64), np.asarray(queue, dtype=np.float64)
    instance_losses, prototype_losses = [], []
    for view, query in enumerate(queries):
        positive = [q @ k / temperature for q, k in zip(query, key, strict=True)]
        negative = [[q @ n / temperature for n in queue] for q in query]
        if draws[view].instances:
            terms = [
                selective_info_nce(positive, negative, keep, options["rejected"])
                for keep in draws[view].instances
            ]
            mean = options["instance_reduction"] == "mean"
            instance_losses.append(sum(terms) / (len(terms) if mean else 1))
        else:
            instance_losses.append(selective_info_nce(positive, negative))
        terms = []
        for level in range(len(hierarchy.prototypes)):
            centres = np.asarray(hierarchy.prototypes[level], dtype=np.float64)
            phi = np.asarray(hierarchy.concentrations[level], dtype=np.float64)
            own = [int(prototype) for prototype in path[level]]
            per_query = []
            for row, q in enumerate(query):
                no_negatives = set(own) if options["exclude"] == "batch" else {own[row]}
                logits = []
                for prototype in range(len(centres)):
                    if prototype in no_negatives:
                        continue
                    drawn = level < len(draws[view].prototypes)
                    if not drawn or draws[view].prototypes[level][row][prototype]:
                        logits.append(q @ centres[prototype] / phi[prototype])
                    elif options["rejected"] == "zero":
                        logits.append(0.0)
                per_query.append(info_nce(q @ centres[own[row]] / phi[own[row]], logits))
            terms.append(sum(per_query) / len(per_query))
        prototype_losses.append(sum(terms) / len(terms))
    return instance_losses, prototype_losses
