"""Checkpoints in the layouts that other projects publish, with random weights."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

QUEUE_LEN, DIM = 24, 128


def random_resnet(depth: int = 18, seed: int = 0) -> nn.Module:
    """torchvision's, whose batch norms all differ from the identity: a statistic that got lost
    changes the features.
    """
    with torch.device("meta"):  # no numbers yet: those of an initialisation take longest
        network = getattr(torchvision.models, f"resnet{depth}")(num_classes=DIM)
    state = {name: value.clone() for name, value in _random_state(depth, seed).items()}
    network.load_state_dict(state, assign=True)
    return network.eval()


@functools.cache
def _random_state(depth: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = getattr(torchvision.models, f"resnet{depth}")(num_classes=DIM).state_dict()
    for name, value in state.items():
        if name.endswith(
            ("running_var", "bn1.weight", "bn2.weight", "bn3.weight", "downsample.1.weight")
        ):
            value.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.2, generator=generator)
        elif name.endswith("num_batches_tracked"):
            value.fill_(1000 + seed)
        else:
            value.normal_(0, value[0].numel() ** -0.5, generator=generator)
    return state


def backbone_of(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: value for name, value in network.state_dict().items() if not name.startswith("fc.")
    }


def features(network: nn.Module, images: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, C, h, w) of torchvision's network."""
    with torch.no_grad():
        return nn.Sequential(*list(network.eval().children())[:-2])(images)


def encoder(prefix: str, network: nn.Module, num_layers: int) -> dict[str, Tensor]:
    """A MoCo encoder's entries: ``fc`` is a layer (version 1), or an MLP of two (version 2)."""
    entries = {f"{prefix}.{name}": value for name, value in backbone_of(network).items()}
    width = network.fc.in_features
    if num_layers == 1:
        return {
            **entries,
            f"{prefix}.fc.weight": torch.randn(DIM, width),
            f"{prefix}.fc.bias": torch.randn(DIM),
        }
    for layer, rows in (("0", width), ("2", DIM)):
        entries.update(
            {
                f"{prefix}.fc.{layer}.weight": torch.randn(rows, width),
                f"{prefix}.fc.{layer}.bias": torch.randn(rows),
            }
        )
    return entries


def moco(depth: int = 18, num_layers: int = 2) -> dict:
    """What MoCo's and PCL's training scripts save."""
    state = {
        **encoder("module.encoder_q", random_resnet(depth, seed=0), num_layers),
        **encoder("module.encoder_k", random_resnet(depth, seed=1), num_layers),
        "module.queue": nn.functional.normalize(torch.randn(DIM, QUEUE_LEN), dim=0),
        "module.queue_ptr": torch.tensor([8]),
    }
    return {
        "epoch": 200,
        "arch": f"resnet{depth}",
        "state_dict": state,
        "optimizer": {"state": {}, "param_groups": []},
    }


def hcsc(depth: int = 18) -> dict:
    """What HCSC's does: MoCo's, and which images the queue's keys are of."""
    checkpoint = moco(depth)
    checkpoint["state_dict"]["module.queue_index"] = torch.arange(QUEUE_LEN)
    return checkpoint


def swav(depth: int = 18) -> dict:
    """What SwAV publishes: nothing around the weights."""
    network = random_resnet(depth)
    width = network.fc.in_features
    head = nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, DIM)
    )
    return {
        **{f"module.{name}": value for name, value in backbone_of(network).items()},
        **{f"module.projection_head.{name}": value for name, value in head.state_dict().items()},
        "module.prototypes.weight": torch.randn(30, DIM),
    }


def save(checkpoint: dict, path: Path) -> Path:
    torch.save(checkpoint, path)
    return path
