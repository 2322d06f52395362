"""Checkpoints from which a run goes on as if nothing had happened."""

from __future__ import annotations

import os
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop, Runner

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.agreement import on_main_process, raise_together
from ...utils.checkpoint_shards import SHARDS_KEY, shard_prefix, write_shards
from ...utils.files import WHOLE_FILES, remove_unfinished, write_text
from ..checkpoint_files import (
    check_nothing_is_written_over,
    histories_from_plain,
    newest_checkpoint,
    to_plain,
    what_is_missing,
)
from ..kept_checkpoints import WITHIN_EPOCH, kept_names, last_good, outdated, set_kept
from ..resume_state import gather_state
from ..resumed_average import leave_out_average
from ..resumed_place import take_up_place
from ..resumed_schedule import drop_what_was_not_saved, replay_schedules
from ..resumed_settings import (
    Changes,
    Settings,
    described,
    seed_without_effect,
    take_from_config,
)
from ..taking_part import GathersForCheckpoint, KeepsShards
from ..train_loop import ResumableTrainLoop, counts_iterations, gradients_are_used_up
from .non_finite_hook import NonFiniteHook

RESUME_KEY = "resume"  # the entry of the checkpoint


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` whose files are whole and hold all that an exact resume needs.

    Besides mmengine's entries a checkpoint holds the generators and batch-norm statistics of every
    rank and the place in the epoch, all in tensors and plain values:
    ``torch.load(weights_only=True)`` reads it. A file is written aside, read back and renamed, and
    older ones go only then. A resume without a path takes the newest whole checkpoint of the work
    folder, and starts anew if there is none.

    What the config says of optimizer and schedule holds for a resumed run, too: where it differs
    from what the checkpoint was trained with, the schedule is brought to where the new one would
    stand, and one warning names all differences. A run does not start in a folder with the
    checkpoints of another, which it would write over.

    Args:
        every_n_iters: Also save in the middle of epochs, after every so many iterations of the run.
            Of these checkpoints the newest is kept, until the epoch's end. Needs
            ``train_cfg=dict(type='hcsc_mm.ResumableTrainLoop')``. In a loop that counts iterations
            all checkpoints are such; by default there is one as often as the training set has gone
            by ``interval`` times.
        max_keep_ckpts: How many checkpoints of epochs' ends to keep, the last ones; -1 keeps all.
        **kwargs: Further arguments of mmengine's ``CheckpointHook``; ``by_epoch=False`` is said
            with ``every_n_iters``.
    """

    def __init__(
        self, every_n_iters: int | None = None, max_keep_ckpts: int = -1, **kwargs: Any
    ) -> None:
        if not kwargs.get("by_epoch", True):
            raise HCSCError(
                "ResumableCheckpointHook saves at the ends of epochs; set every_n_iters to save "
                "within them, too"
            )
        if every_n_iters is not None and every_n_iters < 1:
            raise HCSCError(
                f"every_n_iters={every_n_iters} must be at least 1; leave it out to save at the "
                "ends of epochs only"
            )
        super().__init__(max_keep_ckpts=max_keep_ckpts, **kwargs)
        self.every_n_iters = every_n_iters
        self.saved_iter = -1  # iterations done when the last checkpoint was written
        self._due = False
        self._pending: dict[str, Any] | None = None
        self._shards: dict[str, Any] | None = None  # of the files beside the one being written
        self._loaded: dict[str, Any] | None = None
        self._settings: Settings | None = None  # of the config
        self._changes = Changes()  # against the checkpoint that is resumed from

    def before_run(self, runner: Runner) -> None:
        """Decide where a resume without a path starts: the first rank looks, all follow.

        Raises:
            HCSCError: no checkpoint of the folder can be resumed from; or the run is to start where
                another has left its checkpoints.
        """
        if runner._resume and runner._load_from is None:
            path = on_main_process(lambda: newest_checkpoint(runner.work_dir))
            runner._load_from, runner._resume = path, path is not None
            runner.logger.info(
                f"resumes from {path}"
                if path
                else f"no checkpoint in {runner.work_dir} to resume from: starts anew"
            )
        if isinstance(runner._train_loop, BaseLoop) and self._settings is None:  # it is to train
            self._settings = Settings.of(runner)
            templates = [self.filename_tmpl, WITHIN_EPOCH, "best_{}.pth"]
            source = runner._load_from if runner._resume else None
            on_main_process(
                lambda: check_nothing_is_written_over(self._folder(runner), templates, source)
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take what is resumed from, and what the config says otherwise.

        Raises:
            HCSCError: the checkpoint lacks what a resume needs, or its optimizer does not fit.
        """
        if not runner._resume:
            return
        missing = what_is_missing(checkpoint)
        if missing is not None:
            raise HCSCError(
                f"{runner._load_from} {missing}, and cannot be resumed from; start anew from its "
                "weights, with load_from and without resume"
            )
        self._loaded = checkpoint.get(RESUME_KEY)
        checkpoint["message_hub"] = histories_from_plain(checkpoint["message_hub"])
        drop_what_was_not_saved(checkpoint.get("param_schedulers"))
        leave_out_average(runner, checkpoint)
        saved = (self._loaded or {}).get("settings", {})
        self._changes = take_from_config(runner, self._settings, checkpoint, saved)

    def before_train(self, runner: Runner) -> None:
        """Take up the loaded state, and tidy what a killed run left behind."""
        in_epochs = not counts_iterations(runner)
        if not in_epochs and self.every_n_iters is None:
            self.every_n_iters = self.interval * len(runner.train_dataloader)
        resumes_within = isinstance(runner.train_loop, ResumableTrainLoop) or not in_epochs
        if self.every_n_iters is not None and not resumes_within:
            raise HCSCError(
                "every_n_iters needs train_cfg=dict(type='hcsc_mm.ResumableTrainLoop'), which can "
                "resume within an epoch"
            )
        if self.backend_args is None and isinstance(
            get_file_backend(self.out_dir or runner.work_dir), LocalBackend
        ):
            self.backend_args = {"backend": WHOLE_FILES}
        super().before_train(runner)
        if self._loaded is not None:
            take_up_place(runner, self._loaded)
            self._loaded = None
        if self._changes.of_schedule:
            replay_schedules(runner)
        if self._changes.named:
            runner.logger.warning(described(self._changes, runner))
        self._changes = Changes()
        other_seed = seed_without_effect(runner) if runner._resume else None
        if other_seed is not None:
            runner.logger.warning(other_seed)
        if runner._resume and runner.iter >= runner.max_iters:
            runner.logger.warning(
                f"nothing to train: the checkpoint has made {runner.iter} of the "
                f"{runner.max_iters} steps"
            )
        self.saved_iter = runner.iter if runner._resume else -1
        if (
            is_main_process()
            and isinstance(self.file_backend, LocalBackend)
            and os.path.isdir(self.out_dir)
        ):
            unfinished = remove_unfinished(self.out_dir)
            if unfinished:
                runner.logger.info(
                    "removed what an interrupted run had not finished writing: "
                    f"{', '.join(unfinished)}"
                )
            self._prune(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if self.every_n_iters is None:
            return
        self._due = self._due or self.every_n_train_iters(runner, self.every_n_iters)
        if self._due and gradients_are_used_up(runner):
            self.save_within_epoch(runner, batch_idx + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        if counts_iterations(runner):  # its only epoch is the whole run
            self.save_within_epoch(runner, runner.iter)
        else:
            super().after_train_epoch(runner)

    def save_within_epoch(self, runner: Runner, batches_done: int) -> str:
        """Save between two iterations, all ranks together; returns the file's path."""
        iterations = runner.epoch * len(runner.train_dataloader) + batches_done
        if self.saved_iter != iterations:
            for hook in runner.hooks:
                if isinstance(hook, NonFiniteHook):
                    hook.check(runner)  # on all ranks; nothing broken is saved
            self._save(
                runner,
                WITHIN_EPOCH.format(iterations),
                {"epoch": runner.epoch, "iter": iterations},
                0 if counts_iterations(runner) else batches_done,
            )
        return self.last_ckpt

    def _folder(self, runner: Runner) -> str:
        """Where the checkpoints go, as mmengine finds it in ``before_train``."""
        if self.out_dir in (None, runner.work_dir):
            return runner.work_dir
        return os.path.join(self.out_dir, os.path.basename(runner.work_dir.rstrip(os.sep)))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self._save(runner, self.filename_tmpl.format(step), meta, batches_done=0)

    def _save(self, runner: Runner, name: str, meta: dict, batches_done: int) -> None:
        self._due = False
        for hook in runner.hooks:  # on all ranks; before_save_checkpoint runs on the first alone
            if isinstance(hook, GathersForCheckpoint):
                hook.gather_for_checkpoint(runner)
        self._pending = {
            **gather_state(runner, batches_done),
            "settings": self._settings.entry(),
            "cut_short": batches_done == 0 and getattr(runner.train_loop, "cut_short", False),
        }
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        of_this_rank: dict[str, Any] = {}
        for hook in runner.hooks:
            if isinstance(hook, KeepsShards):
                of_this_rank |= hook.shard_for_checkpoint(runner)
        # With those that are to go: should the run die before they are gone, the next one knows of
        # them.
        set_kept(runner, [*kept_names(runner, besides=name), name])
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        self._shards = write_shards(self.last_ckpt, of_this_rank, self.backend_args)
        problem = self._write(runner, name, meta) if is_main_process() else None
        self._pending = None
        raise_together(problem, "writing a checkpoint")
        self.saved_iter = meta["iter"]
        self._prune(runner)

    def _write(self, runner: Runner, name: str, meta: dict) -> str | None:
        """Write the file; returns what went wrong."""
        try:
            runner.save_checkpoint(
                self.out_dir,
                name,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                backend_args=self.backend_args,
                **self.args,
            )
            write_text(os.path.join(runner.work_dir, "last_checkpoint"), self.last_ckpt)
        except OSError as error:
            reason, last = error.strerror or str(error), last_good(runner, self.out_dir, name)
            return (
                f"cannot write the checkpoint {self.last_ckpt} ({reason}); {last}. Make room there "
                "and go on with --resume"
            )
        return None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add this hook's entry and turn all entries into plain values; the last of all hooks by
        its priority.
        """
        if self._pending is not None:
            checkpoint[RESUME_KEY] = self._pending
        if self._pending is not None and self._shards is not None:
            checkpoint[SHARDS_KEY] = self._shards
        for key in checkpoint:
            if key != "state_dict":
                checkpoint[key] = to_plain(checkpoint[key], key)

    def _prune(self, runner: Runner) -> None:
        """Delete what is too old; what is newest has been read back before."""
        kept = kept_names(runner)
        old = outdated(kept, self.max_keep_ckpts, in_epochs=not counts_iterations(runner))
        set_kept(runner, [name for name in kept if name not in old])
        for name in old if is_main_process() else ():
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            for other in self.file_backend.list_dir_or_file(self.out_dir, list_dir=False):
                if other.startswith(shard_prefix(name)):
                    self.file_backend.remove(self.file_backend.join_path(self.out_dir, other))


def checkpoint_hook(runner: Runner) -> ResumableCheckpointHook | None:
    """The runner's hook of this kind."""
    return next((hook for hook in runner.hooks if isinstance(hook, ResumableCheckpointHook)), None)
