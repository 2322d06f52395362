"""A pre-training that starts from somebody's trained weights, of any layout that is known here."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.models import unwrapped
from ..trained_weights import NO_FILE, Trained, read_trained, take_trained


@HOOKS.register_module()
class TrainedWeightsHook(Hook):
    """Give the model's backbone, and its projection where it fits, trained weights before the first
    step; a run that resumes has its own.

    The file may be of torchvision, timm, mmpretrain, detectron2, of the released code of HCSC,
    MoCo, PCL or SwAV, of ``efficientnet_lite_pytorch``, or this project's; see
    ``tools/convert_checkpoint.py``, which reads the same. A key encoder becomes equal to the query
    encoder; the queue starts with random keys. The log says what was taken.

    Args:
        checkpoint: Path of the file; ``tools/train.py --checkpoint`` sets it.
        encoder: 'query' (the default) or 'key': which of a file's two encoders is taken.
    """

    priority = "VERY_HIGH"

    def __init__(self, checkpoint: str | None = None, encoder: str = "query") -> None:
        if encoder not in ("query", "key"):
            raise HCSCError(f"encoder={encoder!r} of TrainedWeightsHook is 'query' or 'key'")
        self.checkpoint = checkpoint
        self.encoder = encoder
        self._trained: Trained | None = None  # from the start of the run to that of training

    def before_run(self, runner: Runner) -> None:
        """Read the file.

        Raises:
            HCSCError: none is given, it cannot be read, or it is of no layout that is known.
        """
        # whether there is a checkpoint to resume from is known after this event only
        self._trained = None if runner._resume else self._read()

    def before_train(self, runner: Runner) -> None:
        """Take its weights, in place of those that the model was initialised with; also where
        ``resume`` found no checkpoint and the run starts anew.

        Raises:
            HCSCError: they do not fit; or, where a run was to resume, as :meth:`before_run`.
        """
        trained, self._trained = self._trained, None
        if runner._resume:
            return
        for line in take_trained(unwrapped(runner.model), trained or self._read()):
            runner.logger.info(line)

    def _read(self) -> Trained:
        if self.checkpoint is None:
            raise HCSCError(NO_FILE)
        return read_trained(self.checkpoint, self.encoder)
