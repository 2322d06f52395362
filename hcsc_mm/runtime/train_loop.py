"""mmengine's epochs, which may begin in their middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader, Sampler

from ..registry import LOOPS
from ..utils.random_states import restore_generators
from ..utils.ranks import WAIT_MINUTES


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's ``EpochBasedTrainLoop`` that takes up an epoch where a checkpoint left it.

    The batches that were done are skipped as indices: none of their images is read. Arguments are
    those of ``EpochBasedTrainLoop``.

    Attributes:
        first_batch: Where the epoch at hand begins; 0 but for the first epoch of a run that resumes
            in the middle of one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first_batch = 0
        self._generators: dict[str, Any] | None = None
        if self.dataloader.num_workers > 0 and not self.dataloader.timeout:
            self.dataloader.timeout = (
                60 * WAIT_MINUTES
            )  # without one a worker that hangs is waited for for ever

    def resume_within_epoch(self, first_batch: int, generators: dict[str, Any] | None) -> None:
        """Begin the next epoch at this batch, with these states of the generators."""
        self.first_batch, self._generators = first_batch, generators
        self._iter = self._epoch * len(self.dataloader) + first_batch

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
                    self.run_iter(index, data_batch)
            except BaseException:
                # The traceback would keep the workers alive, and their temporary files with them.
                getattr(batches, "_shutdown_workers", lambda: None)()
                raise
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1
        self.first_batch, self._generators = 0, None


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
