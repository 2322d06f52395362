"""A few images, loaded as a run will load them, before the work begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from torch import nn
from torch.utils.data import DataLoader

from ..errors import HCSCError
from ..utils.random_states import (
    generator_states,
    host_generators_kept,
    restore_generators,
    seed_host_generators,
)

# From all over the data set: images of different sizes come to light.
_IMAGES = 8


def trial_batch(loader: DataLoader, seed: int = 0) -> Any:
    """A batch of a few images of a loader's data set, by the way of the loader's own batches.

    Other ranks take other images. Where the loader has workers, it is one that loads: files that
    the data set opens are opened there. Whatever is drawn, the generators are afterwards as before.

    Args:
        loader: Any, at the beginning of its epoch or not; it is left alone.
        seed: What random transforms draw from, in a worker or here; another seed, other draws.
    """
    number = len(loader.dataset)
    step = max(1, number // _IMAGES)
    indices = [(index + get_rank()) % number for index in range(0, number, step)][:_IMAGES]
    workers = min(1, loader.num_workers)
    trial = DataLoader(
        loader.dataset,
        batch_size=len(indices),
        sampler=indices,
        num_workers=workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context if workers else None,
        timeout=loader.timeout if workers else 0,
        generator=torch.Generator().manual_seed(seed),
    )
    with host_generators_kept():
        seed_host_generators(np.random.SeedSequence(seed))
        return next(iter(trial))


def problem_of(what: str, attempt: Callable[[], Any], remedy: str) -> str | None:
    """What an attempt ends with, in one line for the user; None if it ends well.

    Args:
        what: What is tried, as the beginning of a sentence.
        attempt: To be called.
        remedy: What to look at, as the end of the sentence.
    """
    try:
        with everything_kept():
            attempt()
    except HCSCError as error:
        return error.one_line()
    except Exception as error:  # noqa: BLE001  a user's transform may raise anything
        return f"{what}: {_last_line(error)}; {remedy}"
    return None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Without gradients, and in eval mode, where nothing of the model changes.

    Nothing is compiled for a few images, either.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), _eagerly():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _eagerly() -> AbstractContextManager:
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    return nullcontext() if stance is None else stance("force_eager")


@contextmanager
def everything_kept() -> Iterator[None]:
    """All generators, the current GPU's among them, are afterwards as they were."""
    states = generator_states()
    try:
        yield
    finally:
        restore_generators(states)


def _last_line(error: Exception) -> str:
    """Of a loader worker's exception the message is its traceback, which ends with the point."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    in_worker = lines[0].startswith("Caught ")
    return lines[-1] if in_worker else f"{type(error).__name__}: {lines[0]}"
