"""How hooks and models take part in exact resume and in the checks before a run.

Each class is a mix-in with one duty: whoever inherits it is found by its type and called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader


class GathersForCheckpoint(ABC):
    """A hook that has something of every rank to add to a checkpoint.

    mmengine calls ``before_save_checkpoint`` on the first rank alone, where no collective may run.
    :class:`ResumableCheckpointHook` calls :meth:`gather_for_checkpoint` on all ranks, just before.
    """

    @abstractmethod
    def gather_for_checkpoint(self, runner: Runner) -> None:
        """Collect from all ranks; ``before_save_checkpoint`` then puts it into the checkpoint."""


class KeepsShards(ABC):
    """A hook that has more of every rank than one rank could hold.

    :class:`ResumableCheckpointHook` writes a file per rank beside the checkpoint.
    """

    @abstractmethod
    def shard_for_checkpoint(self, runner: Runner) -> dict[str, Any]:
        """This rank's tensors and plain values, by the name of the hook's entry in the checkpoint.

        Called on all ranks, after :meth:`GathersForCheckpoint.gather_for_checkpoint`; empty on all
        of them if there is nothing.
        """


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

    def try_batch(self, batch: Mapping[str, Any]) -> list[str]:
        """Look at a few images as the training loader gives them, the model in eval mode.

        Args:
            batch: 'inputs' and 'data_samples', before the data preprocessor.

        Returns:
            Warnings, as of :meth:`check_training`; none by default.

        Raises:
            HCSCError: no step can be made with such a batch; one line with the fix.
        """
        return []

    def missing_hooks(self, hooks: Sequence[Hook]) -> list[str]:
        """Look at the hooks of the run, one of which this module may need.

        Returns:
            Warnings, as of :meth:`check_training`; none by default.
        """
        return []


class LoadsImages(ABC):
    """A hook that loads images of its own, perhaps long after training has begun."""

    @abstractmethod
    def loaders_to_try(self, runner: Runner) -> dict[str, DataLoader]:
        """Its loaders by what they load, such as 'the clustering pipeline'; after its
        ``before_train``.
        """

    def try_batch(self, runner: Runner, batch: Mapping[str, Any]) -> list[str]:
        """Do with a few images what it will do with all.

        Args:
            runner: In training, the model in eval mode.
            batch: A batch of one of the loaders.

        Returns:
            Warnings, one line each; none by default.

        Raises:
            HCSCError: it cannot be done; one line with the fix.
        """
        return []


class BuildsClusters:
    """A hook that gives a model the clusters it trains with; nothing is asked of it."""
