"""Random numbers that depend on the seed, the epoch and the rank or the image alone."""

import random

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS
from ..seeded_pipeline import SeededPipeline


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every generator at the start of each epoch, and for every training image.

    A run that resumes then sees the same augmentations, shuffles and draws as one that was never
    interrupted. What the model draws depends on the seed, the epoch and the rank: with one seed for
    all, ranks would draw alike. An augmentation depends on the seed, the epoch and the image
    (:class:`SeededPipeline`). Loader workers learn of a new epoch if the loader has
    ``persistent_workers=False``.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        pipeline = getattr(dataset, "pipeline", None)
        if isinstance(pipeline, Compose) and not isinstance(pipeline, SeededPipeline):
            dataset.pipeline = SeededPipeline(pipeline)

    def before_train_epoch(self, runner: Runner) -> None:
        pipeline = getattr(runner.train_dataloader.dataset, "pipeline", None)
        if isinstance(pipeline, SeededPipeline):
            pipeline.key = (runner.seed, runner.epoch)
        sequence = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        seed = int(sequence.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
