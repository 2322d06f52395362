"""What cannot work is found before the first step."""

from __future__ import annotations

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.models import unwrapped
from ..pretrained import check_same_architecture
from ..taking_part import ChecksTraining


@HOOKS.register_module()
class PreflightHook(Hook):
    """Look at the run to come: is there a batch at all, and what do the model's parts say?

    Weights of another architecture are refused: mmengine would warn, and train on from random ones.
    Every part of the model that is a :class:`ChecksTraining` is asked. Its warnings go to the log,
    once each; its errors end the run before anything is written.
    """

    priority = "VERY_HIGH"  # before any hook prepares the work

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse weights that do not fit; a resume needs all of them.

        Raises:
            HCSCError: names or shapes differ.
        """
        weights = checkpoint.get("state_dict", checkpoint)
        check_same_architecture(unwrapped(runner.model), weights, complete=runner._resume)

    def before_train(self, runner: Runner) -> None:
        """Ask.

        Raises:
            HCSCError: no batch fits into the training images, or a part of the model refuses.
        """
        loader = runner.train_dataloader
        num_images, total_batch = len(loader.dataset), loader.batch_size * get_world_size()
        if len(loader) == 0:
            raise HCSCError(
                f"no batch of {total_batch} fits into the {num_images} training images; use a "
                "smaller batch"
            )
        for module in runner.model.modules():
            if isinstance(module, ChecksTraining):
                for warning in module.check_training(num_images, total_batch):
                    runner.logger.warning(warning)
