"""mmengine's epochs, which may begin in their middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader, Sampler

from ..errors import HCSCError
from ..registry import LOOPS
from ..utils.random_states import restore_generators
from ..utils.ranks import WAIT_MINUTES


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's ``EpochBasedTrainLoop`` that takes up an epoch where a checkpoint left it.

    The batches that were done are skipped as indices: none of their images is read.

    Args:
        runner: The runner, as in mmengine's ``EpochBasedTrainLoop``, whose the next and the last
            are, too.
        dataloader: Config or loader of the training set.
        max_epochs: Epochs to train; None if ``max_iters`` says it.
        max_iters: Iterations to train, where a run is measured in them: epochs as ever, the last of
            them cut short. Hooks and schedules that count epochs go on as they do.
        **kwargs: ``val_begin``, ``val_interval``, ``dynamic_intervals``, in epochs.

    Attributes:
        first_batch: Where the epoch at hand begins; 0 but for the first epoch of a run that resumes
            in the middle of one.

    Raises:
        HCSCError: neither or both of the lengths are given.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_epochs: int | None = None,
        max_iters: int | None = None,
        **kwargs: Any,
    ) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise HCSCError(
                f"train_cfg has max_epochs={max_epochs} and max_iters={max_iters}; give one of "
                "them, and None for the other"
            )
        super().__init__(runner, dataloader, max_epochs or 0, **kwargs)
        if max_iters is not None and len(self.dataloader):
            self._max_iters = int(max_iters)
            self._max_epochs = -(-self._max_iters // len(self.dataloader))
        self.first_batch = 0
        self._generators: dict[str, Any] | None = None
        if self.dataloader.num_workers > 0 and not self.dataloader.timeout:
            # Without one a worker that hangs is waited for for ever.
            self.dataloader.timeout = 60 * WAIT_MINUTES

    def resume_within_epoch(self, first_batch: int, generators: dict[str, Any] | None) -> None:
        """Begin the next epoch at this batch, with these states of the generators."""
        self.first_batch, self._generators = first_batch, generators
        self._iter = self._epoch * len(self.dataloader) + first_batch

    @property
    def cut_short(self) -> bool:
        """Whether ``max_iters`` ends the run here, between two batches of an epoch."""
        return self._iter >= self._max_iters and self._iter % len(self.dataloader) != 0

    def run_epoch(self) -> None:
        """Iterate one epoch, or the rest of it."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        with starting_at(self.dataloader, self.first_batch):
            batches = iter(self.dataloader)  # draws a seed for its workers
            if self._generators is not None:
                restore_generators(self._generators)
            try:
                for index, data_batch in enumerate(batches, start=self.first_batch):
                    if self.cut_short:
                        break
                    self.run_iter(index, data_batch)
            except BaseException:
                # The traceback would keep the workers alive, and their temporary files with them.
                getattr(batches, "_shutdown_workers", lambda: None)()
                raise
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1
        self.first_batch, self._generators = 0, None


def counts_iterations(runner: Runner) -> bool:
    """Whether the run is one of mmengine's loops that know no epochs."""
    return isinstance(runner.train_loop, IterBasedTrainLoop)


def gradients_are_used_up(runner: Runner) -> bool:
    """Whether the optimizer has stepped; between the parts of an accumulated batch a checkpoint
    would lose gradients.
    """
    wrapper = runner.optim_wrapper
    return getattr(wrapper, "_inner_count", 0) % getattr(wrapper, "_accumulative_counts", 1) == 0


def passes_done(runner: Runner) -> int:
    """Whole epochs so far; in a loop of iterations, how often the training set has gone by."""
    if counts_iterations(runner):
        return runner.iter // len(runner.train_dataloader)
    return runner.epoch


def refuse_iteration_loop(runner: Runner, hook: str, remedy: str) -> None:
    """For a hook that works at the ends of epochs, which an iteration loop does not have.

    Args:
        runner: Before its training.
        hook: Name of the hook.
        remedy: How to do without it, after "or".

    Raises:
        HCSCError: the loop counts iterations.
    """
    if counts_iterations(runner):
        raise HCSCError(
            f"{hook} works by epochs, and {type(runner.train_loop).__name__} has none; set "
            f"train_cfg=dict(type='hcsc_mm.ResumableTrainLoop', max_iters={runner.max_iters}), "
            f"which makes as many steps and counts epochs, or {remedy}"
        )


@contextmanager
def starting_at(loader: DataLoader, first_batch: int) -> Iterator[None]:
    """Let a loader leave out its first batches as long as this lasts; its length stays that of the
    whole epoch.
    """
    batch_sampler = loader.batch_sampler
    whole = batch_sampler.sampler
    batch_sampler.sampler = _Rest(whole, first_batch * batch_sampler.batch_size)
    try:
        yield
    finally:
        batch_sampler.sampler = whole


class _Rest(Sampler):
    def __init__(self, sampler: Sampler, start: int) -> None:
        self.sampler = sampler
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return islice(iter(self.sampler), self.start, None)

    def __len__(self) -> int:
        return len(self.sampler)
