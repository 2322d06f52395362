"""What our differences from the released code come to: the figures of docs/fidelity.md.

python benchmarks/fidelity.py

FAISS's own k-means beside ours: fidelity_faiss.py. Minutes on one CPU core. ``--small`` is for a
look whether it works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones import ResNet_CIFAR
from PIL import Image, ImageEnhance
from torch import Tensor

from hcsc_mm.clustering import hierarchical_kmeans, kmeans, lloyd
from hcsc_mm.datasets import Digits
from hcsc_mm.models.selection import keep_probability
from hcsc_mm.models.selection.formula import log_partition, mean_keep_probability
from hcsc_mm.structures import PrototypeHierarchy

SIZES = {
    "paper": {"rows": 12_000, "levels": (1500, 1000, 500), "mixture": 500, "repeats": 10},
    "small": {"rows": 400, "levels": (60, 40, 20), "mixture": 20, "repeats": 2},
}
DIM, QUEUE, RANKS, BATCH = 128, 16384, 8, 32


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per figure as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="seconds, and no figures to quote")
    size = SIZES["small" if parser.parse_args(arguments).small else "paper"]
    for lines in (clustering(**size), statistics_of_ranks(), colours()):
        for line in lines:
            print(line, flush=True)


def clustering(rows: int, levels: Sequence[int], mixture: int, repeats: int) -> Iterator[str]:
    """Seeds of k-means, empty clusters, smallest concentration, another seed."""
    features = mixture_features(rows, mixture)
    queue = features[: min(rows, QUEUE)]
    for seeding in ("random", "k-means++"):
        with empty_clusters_counted() as empty:
            tree = hierarchical_kmeans(features, levels, temperature=0.2, seeding=seeding)
        centroids = torch.zeros(levels[0], DIM).index_add_(0, tree.assignment, features)
        centroids /= torch.bincount(tree.assignment, minlength=levels[0]).clamp(min=1)[:, None]
        objective = (features - centroids[tree.assignment]).square().sum()
        yield f"{seeding}: objective of level 1 {objective:.1f}"
        for level, (phi, share, unlikely) in enumerate(selection_of(tree, queue), start=1):
            yield (
                f"{seeding}, level {level}: concentrations {phi.min():.3f} to {phi.max():.3f}, "
                f"standard deviation {phi.std():.4f}; rejected {share:.5f} of all keys; "
                f"{100 * unlikely:.2f} % of pairs of key and own prototype kept with p < 0.5"
            )
        yield f"{seeding}: {sum(empty)} empty clusters in {len(empty)} updates of the centroids"
    few, number = features[: rows // 8], levels[0] // 8
    objectives = torch.tensor(
        [
            float(kmeans(few, number, seed=seed, seeding="random").squared_distance.sum())
            for seed in range(0, 10 * repeats, 10)
        ]
    )
    spread = objectives.std() / objectives.mean()
    yield f"other random rows: objective of {number} clusters ± {100 * spread:.2f} %"


def mixture_features(rows: int, mixture: int) -> Tensor:
    """(rows, DIM), unit length: a mixture of mixtures, three groups in each, cosines of about 0.995
    with a group's centre and 0.9 with that of its mixture.
    """
    generator = torch.Generator().manual_seed(0)

    def noise(number: int, length: float) -> Tensor:
        return torch.randn(number, DIM, generator=generator) * length / DIM**0.5

    centres = F.normalize(noise(mixture, 1.0), dim=1)
    groups = F.normalize(centres.repeat(3, 1) + noise(3 * mixture, 0.5), dim=1)
    return F.normalize(groups[torch.arange(rows) % len(groups)] + noise(rows, 0.1), dim=1)


def selection_of(tree: PrototypeHierarchy, queue: Tensor) -> Iterator[tuple[Tensor, float, float]]:
    """Per level its concentrations, the share of keys rejected, and of unlikely own ones."""
    for prototypes, phi, sizes in zip(
        tree.prototypes, tree.concentrations, tree.sizes(), strict=True
    ):
        known = log_partition(queue, prototypes, phi)
        share = 1 - float(mean_keep_probability(queue, prototypes, phi, known, sizes))
        own = (queue @ prototypes.T).argmax(dim=1)
        pairs = [
            keep_probability(queue[part], prototypes, phi, own[part], log_partition=known[part])
            for part in torch.arange(len(queue)).split(512)
        ]
        unlikely = torch.cat([p.diagonal() for p in pairs])
        yield phi, share, float((unlikely < 0.5).double().mean())


@contextmanager
def empty_clusters_counted() -> Iterator[list[int]]:
    """One number for each time that Lloyd's algorithm moves the centroids."""
    found, means = [], lloyd._means

    def counted(sums: Tensor, *rest) -> Tensor:
        found.append(int((sums[:, -1] == 0).sum()))
        return means(sums, *rest)

    lloyd._means = counted
    try:
        yield found
    finally:
        lloyd._means = means


def statistics_of_ranks(steps: int = 100) -> Iterator[str]:
    """Features by the first rank's batch-norm statistics against those by the ranks' mean."""
    torch.manual_seed(0)
    images = torch.stack(
        [torch.from_numpy(sample["img"]).permute(2, 0, 1) for sample in Digits(split="train")]
    )
    images = F.interpolate((images.float() - 78) / 96, size=16)
    network = ResNet_CIFAR(depth=18, base_channels=16, stem_channels=16)
    network.train()
    first = {name: value.clone() for name, value in network.state_dict().items()}
    ranks = []
    with torch.no_grad():
        for _ in range(RANKS):
            network.load_state_dict(first)
            for _ in range(steps):
                network(images[torch.randperm(len(images))[:BATCH]])
            ranks.append({name: value.clone() for name, value in network.state_dict().items()})
        network.eval()
        features = []
        mean = {
            name: torch.stack([rank[name] for rank in ranks]).double().mean(0) for name in first
        }
        for state in (ranks[0], mean):
            network.load_state_dict({name: v.to(first[name]) for name, v in state.items()})
            features.append(F.normalize(network(images[:500])[-1].mean(dim=(2, 3)), dim=1))
        centred = [F.normalize(one - one.mean(dim=0), dim=1) for one in features]
    cosine = (centred[0] * centred[1]).sum(dim=1)
    yield (
        f"statistics of one of {RANKS} ranks against their mean, after {steps} batches of {BATCH}: "
        f"cosine of centred features {cosine.mean():.4f}, smallest {cosine.min():.4f}"
    )


def colours() -> Iterator[str]:
    """Grey levels between OpenCV's colour operations and Pillow's at the same factors."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_CUBIC)
    from mmcv.image import adjust_brightness, adjust_color, adjust_contrast, adjust_hue

    pillow = Image.fromarray(picture[..., ::-1])
    pairs = {
        "brightness 1.3": (adjust_brightness(picture, 1.3), ImageEnhance.Brightness, 1.3),
        "contrast 1.3": (adjust_contrast(picture, 1.3), ImageEnhance.Contrast, 1.3),
        "saturation 1.3": (adjust_color(picture, 1.3), ImageEnhance.Color, 1.3),
    }
    for name, (ours, enhance, factor) in pairs.items():
        yield _difference(name, ours, np.asarray(enhance(pillow).enhance(factor)))
    hue, *rest = pillow.convert("HSV").split()
    turned = Image.fromarray((np.asarray(hue).astype(int) + int(0.05 * 255)).astype(np.uint8))
    theirs = Image.merge("HSV", (turned, *rest)).convert("RGB")
    yield _difference("hue 0.05", adjust_hue(picture, 0.05), np.asarray(theirs))


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    gap = np.abs(ours[..., ::-1].astype(int) - theirs.astype(int))
    return f"{name}: grey levels differ by {gap.mean():.2f} on average, at most {gap.max()}"


if __name__ == "__main__":
    main()
