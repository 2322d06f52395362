"""What two ranks do in the tests of the online probe; like distributed_workers, new processes
import it by name.
"""

from __future__ import annotations

import torch
from mmengine.dist import get_rank, get_world_size
from mmpretrain.models.utils import SelfSupDataPreprocessor
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import DataLoader

import hcsc_mm  # noqa: F401  first: it makes torchvision importable beside a torch of another build
from hcsc_mm.datasets import ShardSampler
from hcsc_mm.engine.online_probe import OnlineProbe


class Images(torch.utils.data.Dataset):
    """Thirteen of three classes."""

    def __init__(self):
        self.images = torch.randn(13, 4, 3, 3, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return 13

    def __getitem__(self, index):
        return {"inputs": self.images[index], "data_samples": DataSample().set_gt_label(index % 3)}


def collate(batch):
    return {
        "inputs": torch.stack([item["inputs"] for item in batch]),
        "data_samples": [item["data_samples"] for item in batch],
    }


def probe_in_parts() -> dict:
    """Three steps on this rank's part of each batch, then an evaluation on its images."""
    generator = torch.Generator().manual_seed(0)
    probe = OnlineProbe(4, 3, torch.device("cpu"), lr=0.5)
    rank, world_size = get_rank(), get_world_size()
    for _ in range(3):
        features, labels = (
            torch.randn(8, 4, generator=generator),
            torch.randint(0, 3, (8,), generator=generator),
        )
        probe.step(features.chunk(world_size)[rank], labels.chunk(world_size)[rank])
    train_top1 = probe.take_accuracy()
    model = nn.Module()
    model.backbone = nn.BatchNorm2d(4)
    model.backbone.running_mean.fill_(
        rank + 1.0
    )  # another on each rank; another sign of some scores
    model.data_preprocessor = SelfSupDataPreprocessor()
    images = Images()
    top1 = probe.evaluate(
        model, DataLoader(images, batch_size=2, sampler=ShardSampler(images), collate_fn=collate)
    )
    assert model.backbone.training
    return {
        "weight": probe.weight.detach(),
        "bias": probe.bias.detach(),
        "train_top1": train_top1,
        "top1": top1,
        "statistics": model.backbone.running_mean.tolist(),
    }
