"""What two ranks do in the tests of fifty steps; like distributed_workers, new processes import it
by name.
"""

from __future__ import annotations

from functools import partial

import torch
from mmengine.dist import get_rank
from mmengine.model import MMDistributedDataParallel
from mmpretrain.structures import DataSample
from small_double import (
    EPOCH,
    STEPS,
    double_hcsc,
    double_hierarchy,
    rate,
    sgd_of,
    train_step,
    weights_of,
)
from torch import nn

from hcsc_mm.models import InfoNCEHead, ProjectionNeck
from hcsc_mm.models.selfsup import MCL

WARM_UP = 10


def hierarchy_of(step: int):
    """None in the warm-up, another one in every epoch."""
    return None if step < WARM_UP else double_hierarchy(seed=step - step % EPOCH)


def train(num_views: int, local: bool) -> dict:
    """Fifty steps under DDP, keys shuffled over the ranks for their batch norm; all that an oracle
    needs to repeat them.
    """
    torch.manual_seed(0)
    model = double_hcsc(local=local, batch_norm=True, shuffle=True)
    seen = []
    model.momentum_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    start = {"weights": weights_of(model._query_encoder()), "queue": model.queue.keys.clone()}
    parallel = MMDistributedDataParallel(model, broadcast_buffers=False)
    sgd = sgd_of(model)
    torch.manual_seed(100 + get_rank())
    steps = []
    for step in range(STEPS):
        if step >= WARM_UP and step % EPOCH == 0:
            model.set_hierarchy(hierarchy_of(step))
        done = train_step(model, partial(parallel, mode="loss"), sgd, num_views, rate(step))
        steps.append({**done, "key_images": seen.pop()})
    end = {
        "query": weights_of(model._query_encoder()),
        "key": weights_of(model.momentum_encoder),
        "queue": model.queue.keys,
    }
    return {"start": start, "steps": steps, "end": end}


def train_on_single_crops() -> dict:
    return train(2, False)


def train_on_multi_crops() -> dict:
    return train(4, True)


def train_on_multi_crops_not_selected() -> dict:
    return train(4, False)


def image_of(index: int) -> torch.Tensor:
    """(3, 6, 6), another one for each index."""
    return torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(index))


def name_keys(symmetric: bool = False) -> dict:
    """Three steps of two images a rank; what the queue has, and what those images' keys are."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = MCL(
        backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), queue_len=16, symmetric=symmetric
    )
    model.init_weights()
    with torch.no_grad():
        for step in range(3):
            indices = [10 * step + 2 * get_rank() + place for place in range(2)]
            images = torch.stack([image_of(index) for index in indices])
            samples = [DataSample(metainfo={"sample_idx": index}) for index in indices]
            model.loss([images, images], samples)
        named = model.key_images.tolist()
        expected = [model.encode_key(image_of(index)[None])[0] for index in named if index >= 0]
    known = model.queue.keys[[place for place, index in enumerate(named) if index >= 0]]
    return {"named": named, "keys": known, "expected": torch.stack(expected)}


def name_keys_of_both_views() -> dict:
    return name_keys(symmetric=True)
