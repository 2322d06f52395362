"""Random numbers that depend on the seed, the epoch and the rank, and on nothing else."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every generator at the start of each epoch.

    A run that resumes at an epoch boundary then sees the same augmentations, shuffles and draws as one that was never interrupted,
    and no generator state need be saved. Ranks differ: with one seed for all they would augment their images alike. Data-loader workers
    follow if the loader has ``persistent_workers=False`` and ``worker_init_fn=dict(type='hcsc_mm.seed_worker')``.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        sequence = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        seed = int(sequence.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
