"""Random numbers that depend on the seed, the epoch and the rank or the image alone."""

import random
from functools import partial

import numpy as np
import torch
from mmengine.dataset import worker_init_fn as seed_worker_alike
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS
from ..seeded_pipeline import SeededPipeline, seed_pipelines
from ..train_loop import counts_iterations
from ..worker_seed import seed_worker


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every generator at the start of each epoch, and for every training image.

    A run that resumes then sees the same augmentations, shuffles and draws as one that was never
    interrupted. What the model draws depends on the seed, the epoch and the rank: with one seed for
    all, ranks would draw alike. An augmentation depends on the seed, the epoch and the image
    (:class:`SeededPipeline`), with loader workers that start anew each epoch and with persistent
    ones.

    In a loop that counts iterations (mmengine's ``IterBasedTrainLoop``) there is no epoch to seed
    for: the generators are seeded once, when the run starts or resumes, and such a run does not
    resume exactly.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._configured_seed: int | None = None
        self._pipelines: list[SeededPipeline] = []

    def before_run(self, runner: Runner) -> None:
        self._configured_seed = runner.seed

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
        # mmengine takes the seed of the checkpoint, but has built the sampler with the config's.
        if runner.seed != self._configured_seed == getattr(sampler, "seed", None):
            sampler.seed = runner.seed
        self._pipelines = [] if counts_iterations(runner) else seed_pipelines(loader.dataset)
        _let_workers_differ_between_epochs(loader)

    def before_train_epoch(self, runner: Runner) -> None:
        when = runner.iter if counts_iterations(runner) else runner.epoch
        for pipeline in self._pipelines:
            pipeline.key = (runner.seed, when)
        sequence = np.random.SeedSequence([runner.seed, when, get_rank()])
        seed = int(sequence.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if _keeps_its_workers(runner.train_dataloader):
            torch.empty((), dtype=torch.int64).random_()  # as new workers would be given a seed


def _keeps_its_workers(loader: torch.utils.data.DataLoader) -> bool:
    """Whether the epoch to come is loaded by the workers of the one before."""
    return loader.persistent_workers and getattr(loader, "_iterator", None) is not None


def _let_workers_differ_between_epochs(loader: torch.utils.data.DataLoader) -> None:
    """mmengine's default gives workers the same seed in every epoch.

    What is not seeded for each image (a data set without a pipeline of mmengine's kind) would then
    meet the same augmentations again and again.
    """
    given = loader.worker_init_fn
    if isinstance(given, partial) and given.func is seed_worker_alike:
        loader.worker_init_fn = seed_worker
