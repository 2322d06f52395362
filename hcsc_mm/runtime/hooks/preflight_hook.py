"""What cannot work is found before the first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch.utils.data import DataLoader

from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.agreement import raise_together
from ...utils.models import unwrapped
from ..pretrained import check_parts, check_pretrained, check_same_architecture, weights_of
from ..resumed_schedule import schedules_of
from ..taking_part import ChecksTraining, LoadsImages
from ..train_loop import counts_iterations
from ..trial import evaluating, problem_of, trial_batch

Use = Callable[[Any], list[str]]  # of a batch; returns warnings


@HOOKS.register_module()
class PreflightHook(Hook):
    """Look at the run to come, and try what it will do with a few images.

    Weights to start from must hold all of the parts that they are for; mmengine would warn, and
    train on from random ones. A few images go through every pipeline of the run, are collated, and
    handed to who will get them: the model in eval mode, and every hook that is a
    :class:`LoadsImages`. Every part of the model that is a :class:`ChecksTraining` is asked.
    Warnings go to the log, once each; errors end the run before anything is written. Generators and
    weights are afterwards as they were.
    """

    priority = "VERY_HIGH"  # before any hook prepares the work

    def __init__(self) -> None:
        self._has_tried = False

    def before_run(self, runner: Runner) -> None:
        """Look at what the run is made of.

        Raises:
            HCSCError: a part's pre-trained weights do not fit, or the model cannot be validated.
        """
        if not isinstance(runner._train_loop, BaseLoop) or self._has_tried:
            return
        model = unwrapped(runner.model)
        check_pretrained(model)
        learns_alone = type(model).forward is BaseSelfSupervisor.forward
        if runner._val_loop is not None and learns_alone:
            raise HCSCError(
                f"{type(model).__name__} learns without labels and predicts nothing that "
                "val_dataloader could be judged by; set val_dataloader, val_cfg and val_evaluator "
                "to None, and see hcsc_mm.KNNMonitorHook for accuracies during pre-training"
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse weights that do not fit; a resume needs all of them.

        Raises:
            HCSCError: names or shapes differ.
        """
        weights = weights_of(checkpoint)
        if runner._resume:
            check_same_architecture(unwrapped(runner.model), weights)
        else:
            check_parts(unwrapped(runner.model), weights, str(runner._load_from))

    def before_train(self, runner: Runner) -> None:
        """Ask.

        Raises:
            HCSCError: no batch fits into the training images, an epoch never ends, or a part of the
                model refuses.
        """
        loader = runner.train_dataloader
        num_images, total_batch = len(loader.dataset), loader.batch_size * get_world_size()
        if len(loader) == 0:
            raise HCSCError(
                f"no batch of {total_batch} fits into the {num_images} training images; use a "
                "smaller batch"
            )
        _check_epochs_end(runner)
        for module in _asked(runner):
            warnings = module.check_training(num_images, total_batch)
            for warning in [*warnings, *module.missing_hooks(runner.hooks)]:
                runner.logger.warning(warning)

    def before_train_epoch(self, runner: Runner) -> None:
        """Try: every hook has prepared itself, and nothing has been done yet.

        Raises:
            HCSCError: on all ranks, what does not work, with what to look at.
        """
        if self._has_tried:
            return
        self._has_tried = True
        warnings: list[str] = []
        for what, loader, use in _users_of_images(runner):
            warnings += _try(runner, what, loader, use)
        for warning in dict.fromkeys(warnings):
            runner.logger.warning(warning)


def _try(runner: Runner, what: str, loader: DataLoader, use: Use) -> list[str]:
    """Load a few images, and hand them to who will get them; returns the warnings."""
    found: dict[str, Any] = {}
    problem = problem_of(
        f"{what} does not work",
        lambda: found.update(batch=trial_batch(loader)),
        "look at its transforms, from loading to packing, and at the loader's collate_fn",
    )
    raise_together(problem, "trying a few images")

    def hand_over() -> None:
        with evaluating(runner.model):
            found["warnings"] = use(found["batch"])

    problem = problem_of(
        f"what {what} gives cannot be used",
        hand_over,
        "compare the images' number and size with the model's parts",
    )
    raise_together(problem, "trying a few images")
    return found["warnings"]


def _users_of_images(runner: Runner) -> list[tuple[str, DataLoader, Use]]:
    """Who loads images in the course of the run: its name, its loader, and what it does."""
    found = [("the training pipeline", runner.train_dataloader, partial(_ask_model, runner))]
    if runner.val_loop is not None:
        found.append(("the validation pipeline", runner.val_dataloader, lambda _: []))
    for hook in runner.hooks:
        if isinstance(hook, LoadsImages):
            use = partial(hook.try_batch, runner)
            found += [(what, one, use) for what, one in hook.loaders_to_try(runner).items()]
    return found


def _ask_model(runner: Runner, batch: Mapping[str, Any]) -> list[str]:
    return [warning for module in _asked(runner) for warning in module.try_batch(batch)]


def _asked(runner: Runner) -> list[ChecksTraining]:
    return [module for module in runner.model.modules() if isinstance(module, ChecksTraining)]


def _check_epochs_end(runner: Runner) -> None:
    loader = runner.train_dataloader
    if counts_iterations(runner):
        by_epoch = [
            type(one).__name__
            for each in schedules_of(runner).values()
            for one in each
            if one.by_epoch
        ]
        if by_epoch:
            runner.logger.warning(
                f"{' and '.join(by_epoch)} moves at the ends of epochs, and "
                f"{type(runner.train_loop).__name__} has none: the learning rate stays where it "
                "is. Set by_epoch=False in param_scheduler."
            )
    elif isinstance(getattr(loader.batch_sampler, "sampler", loader.sampler), InfiniteSampler):
        raise HCSCError(
            "InfiniteSampler never ends an epoch, and the loop counts epochs; set "
            "train_dataloader.sampler=dict(type='DefaultSampler', shuffle=True)"
        )
