"""What two ranks do in the tests of fifty steps; like distributed_workers, new processes import it
by name.
"""

from __future__ import annotations

import torch
from mmengine.dist import get_rank
from mmengine.model import MMDistributedDataParallel
from mmpretrain.structures import DataSample
from small_double import FEATURES, double_hcsc, double_hierarchy, own_prototypes, weights_of

STEPS, WARM_UP, IMAGES, BATCH, EPOCH = 50, 10, 24, 4, 10  # of one rank, in steps


def rate(step: int) -> float:
    return 0.1 * (1 - step / STEPS)


def hierarchy_of(step: int):
    """None in the warm-up, another one in every epoch."""
    return None if step < WARM_UP else double_hierarchy(IMAGES, seed=step - step % EPOCH)


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
    parameters = [value for value in model.parameters() if value.requires_grad]
    sgd = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)
    torch.manual_seed(100 + get_rank())
    steps = []
    for step in range(STEPS):
        hierarchy = hierarchy_of(step)
        if hierarchy is not None and step % EPOCH == 0:
            model.set_hierarchy(hierarchy)
        images = list(torch.randn(num_views, BATCH, FEATURES, dtype=torch.float64))
        numbers = torch.randperm(IMAGES)[:BATCH].tolist()
        samples = [DataSample(metainfo={"sample_idx": number}) for number in numbers]
        sgd.param_groups[0]["lr"] = rate(step)
        losses = parallel(images, samples, mode="loss")
        sgd.zero_grad()
        sum(value for name, value in losses.items() if "loss" in name).backward()
        sgd.step()
        steps.append(
            {
                "views": images,
                "own": None if hierarchy is None else own_prototypes(hierarchy, numbers),
                "draws": None if hierarchy is None else model.selection.drawn,
                "key_images": seen.pop(),
                "losses": {name: float(v.detach()) for name, v in losses.items() if "loss" in name},
            }
        )
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
