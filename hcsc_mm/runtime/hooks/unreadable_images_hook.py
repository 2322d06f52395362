"""How many images could not be read, and how many may be."""

from __future__ import annotations

import math

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.samples import sample_path

UNREADABLE_KEY = (
    "hcsc_unreadable"  # in the message hub: indices of the images that the clustering left out
)
_MOST_NAMED = 3


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Count the images that ``LoadImage(unreadable='skip')`` skips, say so in one line, and stop
    when they are too many.

    Each image counts once in a run, whichever worker and rank met it. Workers mark the samples that
    stand in for a skipped one (:class:`ImageFolder`), and each clustering tells which images it had
    to leave out; ranks put their counts together every ``interval`` iterations and at the end of
    each epoch, not in every step. With ``unreadable='stop'`` there is nothing to count.

    Args:
        max_share: Share of the training images that may be unreadable, rounded up; 0 to 1.
        max_number: Number of images that may be unreadable, if the share is not to be the only
            limit.
        interval: Iterations from one comparison with the limits to the next.
    """

    priority = "BELOW_NORMAL"  # after the clustering, before the checkpoint

    def __init__(
        self, max_share: float = 0.01, max_number: int | None = None, interval: int = 100
    ) -> None:
        if not 0 <= max_share <= 1:
            raise HCSCError(
                f"max_share={max_share} of UnreadableImagesHook must lie between 0 and 1; 0.01 is "
                "one image in a hundred"
            )
        if (max_number is not None and max_number < 0) or interval < 1:
            raise HCSCError(
                f"max_number={max_number} of UnreadableImagesHook must be at least 0 and "
                f"interval={interval} at least 1"
            )
        self.max_share = max_share
        self.max_number = max_number
        self.interval = interval
        self.unreadable: set[int] = set()  # sample_idx; of all ranks after each comparison
        self._reported = 0

    def before_train_epoch(self, runner: Runner) -> None:
        """A clustering has looked at every image."""
        self.unreadable.update(runner.message_hub.runtime_info.get(UNREADABLE_KEY, ()))
        self._compare(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        for sample in data_batch.get("data_samples") or ():
            self.unreadable.update(sample.get("skipped", ()))
        if self.every_n_train_iters(runner, self.interval):
            self._compare(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._compare(runner)
        number, total = len(self.unreadable), len(runner.train_dataloader.dataset)
        if number > self._reported:
            self._reported = number
            runner.logger.warning(
                f"{self._described(runner)}; they are left out, at most {self._limit(total)} may be"
            )
            runner.visualizer.add_scalars({"hcsc/unreadable_images": number}, step=runner.iter)

    def _compare(self, runner: Runner) -> None:
        """On all ranks at the same iteration, so that all of them stop."""
        self.unreadable = set().union(*all_gather_object(self.unreadable))
        limit = self._limit(len(runner.train_dataloader.dataset))
        if len(self.unreadable) > limit:
            named = "max_share" if self.max_number is None else "max_share or max_number"
            raise HCSCError(
                f"{self._described(runner)}; at most {limit} may be: mend or remove them, or raise "
                f"{named} of UnreadableImagesHook"
            )

    def _limit(self, total: int) -> int:
        by_share = math.ceil(
            self.max_share * total
        )  # rounded up: one image of a small folder may always be unreadable
        return by_share if self.max_number is None else min(by_share, self.max_number)

    def _described(self, runner: Runner) -> str:
        dataset = runner.train_dataloader.dataset
        first = sorted(self.unreadable)[:_MOST_NAMED]
        names = ", ".join(sample_path(dataset, index) or f"sample {index}" for index in first)
        rest = ", …" if len(self.unreadable) > len(first) else ""
        return f"{len(self.unreadable)} of {len(dataset)} images could not be read: {names}{rest}"
