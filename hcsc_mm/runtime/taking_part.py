"""How hooks and models take part in exact resume and in the checks before a run.

Each class is a mix-in with one duty: whoever inherits it is found by its type and called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from mmengine.runner import Runner


class GathersForCheckpoint(ABC):
    """A hook that has something of every rank to add to a checkpoint.

    mmengine calls ``before_save_checkpoint`` on the first rank alone, where no collective may run.
    :class:`ResumableCheckpointHook` calls :meth:`gather_for_checkpoint` on all ranks, just before.
    """

    @abstractmethod
    def gather_for_checkpoint(self, runner: Runner) -> None:
        """Collect from all ranks; ``before_save_checkpoint`` then puts it into the checkpoint."""


class KeepsResumeState(ABC):
    """A module with state that no state dict holds, and that a resumed run needs to the last bit.

    It is saved once, by the first rank, under the module's name.
    """

    @abstractmethod
    def resume_state(self) -> dict[str, Any]:
        """Tensors and plain values; equal on all ranks."""

    @abstractmethod
    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`resume_state` gave, after weights and hierarchy have been loaded."""


class ChecksTraining(ABC):
    """A module that knows what training it cannot do, before the first step is made."""

    @abstractmethod
    def check_training(self, num_images: int, total_batch: int) -> list[str]:
        """Look at the run to come.

        Args:
            num_images: N, in the training set.
            total_batch: Images of one step, over all ranks.

        Returns:
            Warnings, one line each, with the change to make.

        Raises:
            HCSCError: it cannot be trained like this; one line with the fix.
        """
