"""Seeds of data-loader workers that differ from epoch to epoch and come back on resume."""

import random

import cv2
import numpy as np
import torch

from ..registry import FUNCTIONS
from .preemption import leave_signals_to_the_main_process


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """A ``worker_init_fn`` that takes over the seed which PyTorch drew for this worker.

    mmengine's default sets the same seed in every epoch; with workers that start anew each epoch,
    every image would meet the same augmentations again. PyTorch's own seed is drawn from the main
    process, which :class:`EpochSeedHook` seeds per epoch and rank. (Each training image is seeded
    once more by :class:`SeededPipeline`.) Signals that ask a run to stop are left to the main
    process.
    """
    leave_signals_to_the_main_process()
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
    cv2.setNumThreads(0)  # one worker, one core
