"""What selection adds to a training step: the head, forward and backward, without any encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from measure import Row, faster, in_turns, seconds, slower
from torch import Tensor
from yardsticks.selection import full_softmax_hcsc, info_nce

from hcsc_mm.models import ClusterSelection, HCSCHead, NegativeQueue
from hcsc_mm.structures import PrototypeHierarchy

# Images per step; queue, length of an embedding and prototypes are ImageNet's.
BATCH = {"tiny": 4, "small": 32, "large": 256}
QUEUE, DIM, PROTOTYPES, IMAGES = 16384, 128, (3000, 2000, 1000), 50_000
STEPS = 20


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """The head against plain InfoNCE (MoCo v2) and against the full softmax (the formula as it
    stands).
    """
    batch = BATCH[scale]
    torch.manual_seed(0)
    hierarchy = _random_hierarchy().to(device)
    queue = NegativeQueue(QUEUE, DIM).to(device)
    query, key = (F.normalize(torch.randn(batch, DIM), dim=1).to(device) for _ in range(2))
    query.requires_grad_()
    path = hierarchy.path(torch.randint(IMAGES, (batch,)))
    head, selection = HCSCHead(), ClusterSelection()
    selection.set_hierarchy(hierarchy, queue.keys)

    def ours() -> Tensor:
        draws = selection.draw(queue.keys, path, 1)
        losses = head.loss([query], key, queue.keys, hierarchy, path, draws)
        return sum(value for name, value in losses.items() if "loss" in name)

    def renew() -> None:
        slots = queue.enqueue(key)
        selection.renew(slots, queue.keys[slots])

    def step(loss) -> None:
        query.grad = None
        loss().backward()

    losses = {
        "ours": (ours, STEPS),
        "info_nce": (lambda: info_nce(query, key, queue.keys), STEPS),
        "full_softmax": (lambda: full_softmax_hcsc(query, key, queue.keys, hierarchy, path), 1),
    }
    for loss, _ in losses.values():
        step(loss)  # warm up
    # Each step by itself, the fastest of a turn: a step lasts milliseconds, and what else the
    # machine does can only add to it.
    times = in_turns(
        {
            name: lambda loss=loss, number=number: min(
                seconds(lambda: step(loss), device) for _ in range(number)
            )
            for name, (loss, number) in losses.items()
        },
        repeats,
    )
    enqueue = [min(seconds(renew, device) for _ in range(STEPS)) for _ in range(repeats)]
    sizes = f"B {batch}, Q {QUEUE}, K {'/'.join(map(str, PROTOTYPES))}"
    return [
        slower(
            f"head with both selections, {sizes} : plain InfoNCE",
            times["ours"],
            times["info_nce"],
            4.0,
        ),
        faster(
            "full-softmax selection : the same",
            times["ours"],
            times["full_softmax"],
            12.0,
            "ms",
            1e3,
        ),
        slower(
            f"enqueue {batch} keys, denominators renewed : plain InfoNCE",
            enqueue,
            times["info_nce"],
            None,
        ),
    ]


def _random_hierarchy(num_prototypes: Sequence[int] = PROTOTYPES) -> PrototypeHierarchy:
    return PrototypeHierarchy(
        assignment=torch.randint(num_prototypes[0], (IMAGES,)),
        parents=tuple(
            torch.randint(upper, (lower,)) for lower, upper in itertools.pairwise(num_prototypes)
        ),
        prototypes=tuple(F.normalize(torch.randn(number, DIM), dim=1) for number in num_prototypes),
        concentrations=tuple(torch.full((number,), 0.2) for number in num_prototypes),
    )
