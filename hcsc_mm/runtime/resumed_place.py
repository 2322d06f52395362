"""Where in its epoch a resumed run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import Runner

from ..errors import HCSCError
from .resume_state import restore_state
from .train_loop import ResumableTrainLoop


def take_up_place(runner: Runner, saved: Mapping[str, Any]) -> None:
    """Put back the saved state: statistics now, generators and the place in the epoch when the loop
    comes to it.

    Args:
        runner: About to train, its weights loaded.
        saved: What :func:`~hcsc_mm.runtime.resume_state.gather_state` gave, and under 'cut_short'
            whether the run ended within an epoch because it had made all its steps.

    Raises:
        HCSCError: the checkpoint lies within an epoch, and the loop cannot begin there; or its run
            ended there.
    """
    generators = restore_state(runner, saved)
    loader, loop = runner.train_dataloader, runner.train_loop
    images_done = saved["batches_done"] * saved["batch_size"] * saved["world_size"]
    total_batch = loader.batch_size * get_world_size()
    same = (saved["world_size"], saved["batch_size"]) == (get_world_size(), loader.batch_size)
    if not same:
        runner.logger.warning(
            f"resumes with {get_world_size()} × {loader.batch_size} images a step what ran "
            f"with {saved['world_size']} × {saved['batch_size']}: weights, optimizer, learning "
            "rate, queue and hierarchy go on as they were; number of steps, make-up of the "
            "batches, draws and batch-norm statistics cannot be equal"
        )
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if images_done and hasattr(sampler, "shard") and saved["world_size"] != get_world_size():
        runner.logger.warning(
            f"{type(sampler).__name__}: with another number of processes the shards are others, "
            "and in the rest of this epoch some images come a second time and some not at all"
        )
    if saved.get("cut_short") and runner.iter < runner.max_iters:
        raise HCSCError(
            f"the checkpoint's run ended within an epoch, after {runner.iter} steps; a longer "
            "one goes on from a checkpoint before that, with --resume FILE"
        )
    if not isinstance(loop, ResumableTrainLoop):
        if images_done:
            raise HCSCError(
                "this checkpoint lies within an epoch; set "
                "train_cfg=dict(type='hcsc_mm.ResumableTrainLoop') to resume it"
            )
        return
    if images_done or not same:
        # No image comes twice in the epoch; the rest of a batch that the new size splits is left
        # out.
        loop.resume_within_epoch(
            min(-(-images_done // total_batch), len(loader)),
            generators if images_done and same else None,
        )
        runner.optim_wrapper.initialize_count_status(runner.model, runner.iter, runner.max_iters)
