"""Augmentations that depend on the seed, the epoch and the image, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from torch.utils.data import get_worker_info

from ..utils.random_states import host_generators_kept, seed_host_generators


class SeededPipeline(Compose):
    """A data set's transforms, with the generators seeded anew for every image.

    What an image meets then does not depend on the images before it: not on the number of loader
    workers or ranks, and not on whether a resumed run has skipped the batches before it.

    Args:
        pipeline: Transforms to seed.
    """

    def __init__(self, pipeline: Compose) -> None:
        super().__init__(())
        self.transforms = pipeline.transforms
        # Shared memory: workers that live on over epochs read here what the main process has set.
        self._key = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._again = False

    @property
    def key(self) -> tuple[int, int]:
        """Whole numbers that the seed is made of beside the image's index: run's seed, epoch."""
        seed, epoch = self._key.tolist()
        return seed, epoch

    @key.setter
    def key(self, key: tuple[int, int]) -> None:
        self._key.copy_(torch.tensor(key))

    def __call__(self, data: dict) -> dict | None:
        """Run the transforms on one image.

        A data set that gets None takes another image, which it draws from the same generator:
        seeding again for that one could lead back to the first for ever.
        """
        # In the main process the model draws from the same generators.
        with nullcontext() if get_worker_info() is not None else host_generators_kept():
            if not self._again:
                index = int(data.get("sample_idx", 0))
                seed_host_generators(np.random.SeedSequence(self.key, spawn_key=(index,)))
            result = super().__call__(data)
        self._again = result is None
        return result


def seed_pipelines(dataset: Any) -> list[SeededPipeline]:
    """Let every pipeline in a data set be a :class:`SeededPipeline`.

    Args:
        dataset: With mmengine's ``pipeline``, or a wrapper such as ``ConcatDataset`` around such;
            changed in place.

    Returns:
        All of them; none where the data set has no pipeline of mmengine's kind.
    """
    found = []
    for part in _parts(dataset):
        pipeline = getattr(part, "__dict__", {}).get("pipeline")
        if isinstance(pipeline, Compose) and not isinstance(pipeline, SeededPipeline):
            pipeline = part.pipeline = SeededPipeline(pipeline)
        if isinstance(pipeline, SeededPipeline):
            found.append(pipeline)
    return found


def _parts(dataset: Any) -> Iterator[Any]:
    """A data set, and those that it wraps: mmengine's, mmpretrain's and PyTorch's wrappers."""
    own = getattr(dataset, "__dict__", {})
    yield dataset
    wrapped = [own[name] for name in ("dataset", "_dataset") if name in own]
    for part in [*wrapped, *own.get("datasets", ())]:
        yield from _parts(part)
