"""HCSC in plain PyTorch: a tree of prototypes, selection and losses on tensors, without a runner.

    python examples/plain_pytorch.py

Trains a small perceptron on scikit-learn's handwritten digits for half a minute, and prints how
well each level of the tree agrees with the labels, which it has never seen.
"""

import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_mutual_info_score
from torch import nn

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.models import ClusterSelection, HCSCHead, NegativeQueue

EPOCHS, WARMUP, BATCH, MOMENTUM = 16, 6, 64, 0.01


def main() -> list[float]:
    """Train, print and return the adjusted mutual information of every level, finest first."""
    torch.manual_seed(0)
    scans, labels = load_digits(return_X_y=True)
    images = torch.tensor(scans, dtype=torch.float32) / 16  # (N, 64)
    query_encoder = nn.Sequential(
        nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 32)
    )
    key_encoder = copy.deepcopy(query_encoder).requires_grad_(False)
    optimizer = torch.optim.SGD(query_encoder.parameters(), lr=0.1, momentum=0.9)
    queue, selection = NegativeQueue(512, 32), ClusterSelection()
    head = HCSCHead(temperature=0.2, rule="paper")

    hierarchy = None
    for epoch in range(EPOCHS):
        if epoch >= WARMUP:  # cluster all images by their keys; until then this is MoCo
            features = F.normalize(key_encoder(images), dim=1)
            hierarchy = hierarchical_kmeans(features, (60, 30, 10), temperature=0.2, seed=epoch)
            selection.set_hierarchy(hierarchy, queue.keys)
        for index in torch.randperm(len(images)).split(BATCH):
            one, other = (augment(images[index]) for _ in range(2))
            query = F.normalize(query_encoder(one), dim=1)
            key = F.normalize(key_encoder(other), dim=1)
            if hierarchy is None:
                losses = head.loss([query], key, queue.keys)
            else:
                path = hierarchy.path(index)  # the images' prototype at every level
                draws = selection.draw(queue.keys, path, num_views=1)  # which negatives count
                losses = head.loss([query], key, queue.keys, hierarchy, path, draws)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(key_encoder.parameters()), list(query_encoder.parameters()), MOMENTUM
                )
            slots = queue.enqueue(key)
            selection.renew(slots, queue.keys[slots])

    found = hierarchy.path(torch.arange(len(images)))
    agreement = [adjusted_mutual_info_score(labels, level.numpy()) for level in found]
    for number, score in zip(hierarchy.num_prototypes, agreement, strict=True):
        print(f"{number:3} prototypes: adjusted mutual information with the digits {score:.3f}")
    return agreement


def augment(images: torch.Tensor) -> torch.Tensor:
    """(B, 64) scans, each moved by up to a pixel and with some noise."""
    grids = F.pad(images.view(-1, 8, 8), (1, 1, 1, 1))
    rows, columns = torch.randint(3, (2, len(images), 1))
    moved = grids[
        torch.arange(len(images))[:, None, None],
        (rows + torch.arange(8))[:, :, None],
        (columns + torch.arange(8))[:, None, :],
    ]
    return moved.reshape(-1, 64) + 0.1 * torch.randn(len(images), 64)


if __name__ == "__main__":
    main()
