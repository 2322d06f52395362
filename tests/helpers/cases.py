"""Small inputs that many tests start from."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hcsc_mm.models import (
    HCSC,
    ClusterSelection,
    HCSCHead,
    InfoNCEHead,
    MomentumContrast,
    ProjectionNeck,
)
from hcsc_mm.structures import PrototypeHierarchy


def unit_rows(*shape: int, seed: int = 0) -> Tensor:
    """Random directions, (…, D)."""
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def blobs(
    num_rows: int, num_blobs: int, dim: int, spread: float = 0.02, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """(N, D) unit-length rows around ``num_blobs`` directions, and the (N,) blob of each; rows of a
    blob are not neighbours.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    blob = torch.arange(num_rows) % num_blobs
    return F.normalize(
        unit_rows(num_blobs, dim, seed=seed)[blob]
        + spread * torch.randn(num_rows, dim, generator=generator),
        dim=1,
    ), blob


def random_hierarchy(
    num_samples: int = 40, num_prototypes: tuple[int, ...] = (8, 4, 2), dim: int = 6, seed: int = 0
) -> PrototypeHierarchy:
    """A hierarchy without any structure: every formula must hold on it."""
    generator = torch.Generator().manual_seed(seed)
    concentrations = [0.1 + torch.rand(number, generator=generator) for number in num_prototypes]
    return PrototypeHierarchy(
        assignment=torch.randint(num_prototypes[0], (num_samples,), generator=generator),
        parents=tuple(
            torch.randint(above, (number,), generator=generator, dtype=torch.int32)
            for number, above in pairwise(num_prototypes)
        ),
        prototypes=tuple(
            unit_rows(number, dim, seed=seed + level + 1)
            for level, number in enumerate(num_prototypes)
        ),
        concentrations=tuple(0.2 * value / value.mean() for value in concentrations),
    )


def tiny_moco(norm: nn.Module | None = None, **options) -> MomentumContrast:
    """MoCo v2 of one convolution, with a norm behind it if one is given."""
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity() if norm is None else norm, nn.ReLU())
    model = MomentumContrast(
        backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), **{"queue_len": 32, **options}
    )
    model.init_weights()
    return model


def tiny_hcsc(
    batch_norm: bool = True,
    queue_len: int = 32,
    rule: str = "released",
    selection: ClusterSelection | None = None,
) -> HCSC:
    """An HCSC model with one convolution; 8-dimensional embeddings."""
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4) if batch_norm else nn.Identity(), nn.ReLU()
    )
    return HCSC(
        backbone,
        ProjectionNeck(4, 16, 8),
        HCSCHead(rule=rule),
        queue_len=queue_len,
        selection=selection,
    )
