"""What a clustering says of itself: one line for the log, the same numbers for the curves."""

from __future__ import annotations

import time

from mmengine.runner import Runner

from ..structures import PrototypeHierarchy
from .statistics import hierarchy_statistics


class ClusteringTimes:
    """Seconds of the last clustering, and of the training epoch before it."""

    def __init__(self) -> None:
        self.extraction = self.kmeans = 0.0
        self.training: float | None = None  # no epoch has been trained yet
        self._epoch_began = time.perf_counter()

    def epoch_begins(self) -> None:
        self._epoch_began = time.perf_counter()

    def epoch_ends(self) -> None:
        self.training = time.perf_counter() - self._epoch_began

    def took(self, extraction: float, kmeans: float) -> None:
        """Note a clustering."""
        self.extraction, self.kmeans = extraction, kmeans

    def scalars(self) -> dict[str, float]:
        """For a visualizer."""
        scalars = {
            "hcsc/extraction_seconds": self.extraction,
            "hcsc/clustering_seconds": self.kmeans,
        }
        if self.training is not None:
            overhead = self.extraction + self.kmeans
            scalars["hcsc/share_of_epoch"] = overhead / (overhead + self.training)
        return scalars


def report(
    runner: Runner,
    name: str,
    hierarchy: PrototypeHierarchy,
    previous: PrototypeHierarchy | None,
    own: dict[str, float],
    times: ClusteringTimes,
) -> None:
    """Log a clustering.

    Args:
        runner: Its logger gets the line, its visualizer the numbers.
        name: What the log calls the clustering, such as 'before epoch 21'.
        hierarchy: The new clusters.
        previous: Those before, over the same images; None if there were none.
        own: Numbers of the model's own, 'level<l>/<name>'.
        times: Seconds that its parts took.
    """
    scalars, parts = times.scalars(), []
    for level, statistics in enumerate(hierarchy_statistics(hierarchy, previous)):
        prefix = f"level{level}/"
        extra = {k.removeprefix(prefix): v for k, v in own.items() if k.startswith(prefix)}
        numbers = {**statistics.scalars(), **extra}
        scalars.update({f"hcsc/{prefix}{name}": value for name, value in numbers.items()})
        words = "".join(f", {name.split('_')[0]} {value:.4f}" for name, value in extra.items())
        parts.append(f"level {level}: {statistics}{words}")
    share = scalars.get("hcsc/share_of_epoch")
    runner.logger.info(
        f"Clustering {name}: extraction {times.extraction:.2f} s, k-means "
        f"{times.kmeans:.2f} s{'' if share is None else f' ({share:.1%} of an epoch)'}; "
        + "; ".join(parts)
    )
    runner.visualizer.add_scalars(scalars, step=runner.iter)
