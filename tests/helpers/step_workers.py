"""What two ranks do in the tests of fifty steps; like distributed_workers, new processes import it
by name.
"""

from __future__ import annotations

from functools import partial

import torch
from cases import random_hierarchy
from mmengine.dist import get_rank
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmpretrain.structures import DataSample
from siamese import tiny_siamese
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
from hcsc_mm.models.heads import PathHead
from hcsc_mm.models.selfsup import HIRL, HIRLBYOL, MCL, HIRLSimSiam

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


def learn_paths() -> dict:
    """HIRL on MoCo v2 in :func:`steps_with_paths`."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = HIRL(backbone, ProjectionNeck(4, 16, 8), PathHead(8, 2, 30), queue_len=16)
    model.init_weights()
    return steps_with_paths(model)


def learn_paths_on_simsiam() -> dict:
    """HIRL on SimSiam in :func:`steps_with_paths`."""
    return steps_with_paths(tiny_siamese(HIRLSimSiam))


def learn_paths_on_byol() -> dict:
    """HIRL on BYOL in :func:`steps_with_paths`."""
    MessageHub.get_current_instance().update_info("max_iters", 10)
    return steps_with_paths(tiny_siamese(HIRLBYOL))


def steps_with_paths(model: nn.Module) -> dict:
    """Two steps without a tree, before which the head's projections have no gradient, and two with
    one; then the key of an image, by equal statistics.
    """
    projections = model.head.projections
    start = {name: value.clone() for name, value in projections.named_parameters()}
    parallel = MMDistributedDataParallel(
        model, broadcast_buffers=False, find_unused_parameters=True
    )
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    names, halfway = [], {}
    for step in range(4):
        if step == 2:
            halfway = {name: value.clone() for name, value in projections.named_parameters()}
            model.set_hierarchy(random_hierarchy(num_prototypes=(5, 2), dim=8))
        torch.manual_seed(10 * step + get_rank())
        images = torch.randn(4, 3, 6, 6)
        samples = [DataSample(metainfo={"sample_idx": 4 * get_rank() + i}) for i in range(4)]
        losses = parallel([images, images.flip(-1)], samples, mode="loss")
        names.append(sorted(losses))
        sgd.zero_grad()
        sum(losses.values()).backward()
        sgd.step()
    end = {name: value.detach().clone() for name, value in model.named_parameters()}
    with model.encoding_keys():
        key = model.encode_key(torch.ones(1, 3, 6, 6))
    return {"names": names, "start": start, "halfway": halfway, "end": end, "key": key}
