"""Whether a folder holds a pre-training that has come to its end."""

from __future__ import annotations

import os

from mmengine.config import Config

from ..errors import HCSCError
from ..runtime.checkpoint_files import newest_checkpoint
from ..utils.files import write_text
from ..utils.safe_load import load_data
from .data import DataSets
from .plan import PRETRAIN
from .planned import PRETRAIN_DATA_NOTE, PRETRAIN_NOTE, read_note
from .prepare import digest
from .processes import headline


def finished_pretraining(cfg: Config, folder: str, data: DataSets) -> str | None:
    """The last checkpoint of a pre-training that has done all its epochs; None if there is none
    such.

    Leaves the digests of the config and of its images in the folder, by which both are known again.
    For the first rank.

    Args:
        cfg: The pre-training, with all that the command line changes.
        folder: Its work folder.
        data: Digests of data sets.

    Raises:
        HCSCError: the folder holds the pre-training of another config.
    """
    inputs, images = digest(cfg, None), data.digest(cfg)
    checkpoint = newest_checkpoint(folder)
    known, known_images = (read_note(folder, note) for note in (PRETRAIN_NOTE, PRETRAIN_DATA_NOTE))
    if checkpoint is not None and known not in (None, inputs):
        raise HCSCError(
            f"{folder} holds a pre-training of another config or with other options; choose "
            "another --work-dir, or give the same options again"
        )
    write_text(os.path.join(folder, PRETRAIN_NOTE), inputs)
    if checkpoint is not None and None not in (known_images, images) and known_images != images:
        headline(
            f"{PRETRAIN}: its images are others now than when it began in {folder}; another "
            "--work-dir trains on them from the start"
        )
    elif images is not None:
        write_text(os.path.join(folder, PRETRAIN_DATA_NOTE), images)
    return checkpoint if checkpoint is not None and _is_over(cfg, checkpoint) else None


def _is_over(cfg: Config, checkpoint: str) -> bool:
    meta = load_data(checkpoint, map_location="cpu", mmap=True)["meta"]
    length = cfg.train_cfg
    if "max_epochs" in length:
        return meta["epoch"] >= length.max_epochs
    return meta["iter"] >= length.max_iters
