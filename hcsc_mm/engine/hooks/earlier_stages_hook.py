"""What earlier stages of a chain of models found, given to the stage that is trained now."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...datasets.fingerprint import difference
from ...errors import HCSCError
from ...registry import HOOKS
from ...structures import TakesEarlierGroups
from ...structures.checkpoint_entry import saved_tree
from ...utils.models import first_of
from ...utils.safe_load import load_data


@HOOKS.register_module()
class EarlierStagesHook(Hook):
    """Give the model the groups of images that the trees of earlier checkpoints do not tell apart.

    Args:
        checkpoints: Files of earlier stages, each of a run over the same images that has a tree of
            clusters (HCSC, or any with ``default_hooks.clustering``), in their order. Empty: the
            first stage, and nothing is done.
        level: Which level of each tree, from 0, the finest; the coarsest by default. MCL's released
            code has 10 clusters a stage.

    Raises:
        HCSCError: before the first step, if a checkpoint has no tree, no such level, or a tree of
            other images, or if the model has no use for groups.
    """

    priority = "NORMAL"

    def __init__(self, checkpoints: Sequence[str] = (), level: int = -1) -> None:
        self.checkpoints = tuple(checkpoints)
        self.level = level

    def before_train(self, runner: Runner) -> None:
        if not self.checkpoints:
            return
        model = first_of(runner.model, TakesEarlierGroups)
        if model is None:
            raise HCSCError(
                "EarlierStagesHook has groups for a model that takes them, such as hcsc_mm.MCL; "
                "leave the hook out, or its checkpoints"
            )
        dataset = runner.train_dataloader.dataset
        stages = [clusters_of(file, dataset, self.level) for file in self.checkpoints]
        groups = combined(stages)
        model.set_earlier_groups(groups)
        sizes = torch.bincount(groups)
        runner.logger.info(
            f"{len(stages)} earlier stages leave {len(sizes)} groups of {sizes.min()} to "
            f"{sizes.max()} images"
        )


def clusters_of(file: str, dataset: BaseDataset, level: int) -> Tensor:
    """(N,) int64 cluster of each training image at a level of a checkpoint's tree."""
    if not os.path.isfile(file):
        raise HCSCError(f"EarlierStagesHook: there is no checkpoint {file}; correct its path")
    tree = saved_tree(load_data(file, map_location="cpu"), os.fspath(file), file)
    if tree is None:
        raise HCSCError(
            f"{file} has no tree of clusters, which EarlierStagesHook needs; give a checkpoint of "
            "hcsc_mm.HCSC, or train one with its clustering hook"
        )
    other = tree.images is not None and difference(tree.images, dataset)
    if tree.num_samples != len(dataset) or other:
        raise HCSCError(
            f"the tree of {file} is over {tree.num_samples} images, and this training over "
            f"{len(dataset)}{f' ({other})' if other else ''}; stages are trained on the same images"
        )
    levels = tree.hierarchy.num_levels
    if not -levels <= level < levels:
        raise HCSCError(
            f"level={level} of EarlierStagesHook: the tree of {file} has the levels 0 to "
            f"{levels - 1}"
        )
    return tree.hierarchy.path(torch.arange(tree.num_samples))[level]


def combined(stages: Sequence[Tensor]) -> Tensor:
    """(N,) int64 number from 0 of each image's combination of clusters, one per stage."""
    return torch.unique(torch.stack(list(stages)), dim=1, return_inverse=True)[1]
