"""Measuring a network in the middle of its training, without the training noticing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dist import broadcast, get_world_size
from torch import nn

from ..utils.random_states import generator_states, restore_generators


@contextmanager
def undisturbed(backbone: nn.Module) -> Iterator[None]:
    """The backbone in eval mode, as a checkpoint would hold it; afterwards modes, statistics and
    generators are as they were, bit by bit.

    Ranks have batch-norm statistics of their own, and a checkpoint holds those of the first one:
    they are on all ranks meanwhile. Generators matter because loaders draw a seed for their
    workers.
    """
    states = generator_states()
    modes = [(module, module.training) for module in backbone.modules()]
    own = [(buffer, buffer.clone()) for buffer in backbone.buffers()]
    backbone.eval()
    try:
        if get_world_size() > 1:
            for buffer, _ in own:
                broadcast(buffer, src=0)
        yield
    finally:
        for buffer, value in own:
            buffer.copy_(value)
        for module, training in modes:
            module.training = training
        restore_generators(states)
