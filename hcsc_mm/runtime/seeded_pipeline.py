"""Augmentations that depend on the seed, the epoch and the image, and on nothing else."""

from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import torch
from mmengine.dataset import Compose
from torch.utils.data import get_worker_info

from ..utils.random_states import host_generators_kept


class SeededPipeline(Compose):
    """A data set's transforms, with the generators seeded anew for every image.

    What an image meets then does not depend on the images before it: not on the number of loader
    workers or ranks, and not on whether a resumed run has skipped the batches before it.

    Args:
        pipeline: The transforms.

    Attributes:
        key: Whole numbers that the seed is made of beside the image's index: the run's seed and the
            epoch.
    """

    def __init__(self, pipeline: Compose) -> None:
        super().__init__(())
        self.transforms = pipeline.transforms
        self.key: tuple[int, ...] = ()
        self._again = False

    def __call__(self, data: dict) -> dict | None:
        """Run the transforms on one image.

        A data set that gets None takes another image, which it draws from the same generator:
        seeding again for that one could lead back to the first for ever.
        """
        # In the main process the model draws from the same generators.
        with nullcontext() if get_worker_info() is not None else host_generators_kept():
            if not self._again:
                _seed_cpu(self.key, int(data.get("sample_idx", 0)))
            result = super().__call__(data)
        self._again = result is None
        return result


def _seed_cpu(key: tuple[int, ...], index: int) -> None:
    """Python's, NumPy's and PyTorch's generator; ``torch.manual_seed`` would seed the GPU's, too,
    in the middle of training.
    """
    seeds = np.random.SeedSequence(key, spawn_key=(index,)).generate_state(3)
    random.seed(int(seeds[0]))
    np.random.seed(int(seeds[1]))
    torch.default_generator.manual_seed(int(seeds[2]))
