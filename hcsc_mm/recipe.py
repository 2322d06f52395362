"""A recipe that fits itself to a collection: from the number of images, their sizes and the machine
to every value that a config needs.

:func:`fit_recipe` is plain arithmetic. Each value comes with a line that says how it was got; a
value given by hand stays as it is, and those that are derived from it follow. docs/recipe.md has
the measurements behind the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .clustering.hierarchical_kmeans import check_num_prototypes
from .errors import HCSCError

# Images per part of a batch whose batch-norm statistics are its own: fewer make the statistics
# noisy, more parts than 8 bring nothing (MoCo's CIFAR recipe: 512 / 8).
_IMAGES_PER_PART = 16
_MOST_PARTS = 8


@dataclass(frozen=True)
class Recipe:
    """Settings of a pre-training run; see :func:`fit_recipe`.

    Attributes:
        image_size: Side of the views in pixels.
        short_side: Images whose shorter side is longer are shrunk to it before views are cut.
        batch_size: Images per process and step.
        num_splits: Parts of the batch with batch-norm statistics of their own; divides batch_size.
        max_epochs: Epochs of the run.
        lr: Learning rate at its height, of SGD with momentum 0.9, for the total batch.
        lr_warmup_steps: Steps in which the learning rate rises from nearly 0; a cosine follows.
        weight_decay: Of SGD.
        momentum: Share of the query encoder in each update of the key encoder at the start; the
            paper's m is 1 − momentum.
        momentum_end: The same at the end; a cosine leads from one to the other.
        queue_len: Negative keys.
        temperature: τ of the instance loss, and mean of the prototypes' concentrations.
        symmetric: Whether each view is once the query and once the key.
        num_prototypes: Per level, finest first.
        warmup_epochs: Epochs of MoCo v2 before the first clustering.
        num_workers: Loader workers per process.
        reasons: Name → how the value was got.
    """

    image_size: int
    short_side: int
    batch_size: int
    num_splits: int
    max_epochs: int
    lr: float
    lr_warmup_steps: int
    weight_decay: float
    momentum: float
    momentum_end: float
    queue_len: int
    temperature: float
    symmetric: bool
    num_prototypes: tuple[int, ...]
    warmup_epochs: int
    num_workers: int
    reasons: Mapping[str, str]

    def lines(self) -> list[str]:
        """The recipe for the log: a line per value, with its arithmetic."""
        return [
            f"{field.name} = {getattr(self, field.name)}: {self.reasons[field.name]}"
            for field in fields(self)
            if field.name != "reasons"
        ]


def fit_recipe(
    num_images: int,
    image_sizes: Sequence[tuple[int, int]],
    *,
    device: str = "cpu",
    cores: int = 2,
    world_size: int = 1,
    pretrained: bool = False,
    **by_hand: Any,
) -> Recipe:
    """Derive the settings of a run.

    Args:
        num_images: N, at least 2.
        image_sizes: Height and width in pixels of some of the images, at least one.
        device: 'cpu', or the name of an accelerator such as 'cuda'. A CPU gets smaller images, and
            fewer of them are looked at.
        cores: Processor cores for this process and its loader workers.
        world_size: Number of processes that train together.
        pretrained: Whether the backbone starts from trained weights.
        **by_hand: Values of :class:`Recipe` by name; they stay, and what is derived from them
            follows.

    Returns:
        The recipe, with a reason for each of its values.

    Raises:
        HCSCError: an argument that is out of range, a value by hand that a recipe does not have, or
            values that do not go together.
    """
    _check_arguments(num_images, image_sizes, cores, world_size, by_hand)
    recipe = _Draft(by_hand)
    on_cpu = device == "cpu"
    _choose_size(recipe, image_sizes, on_cpu, pretrained)
    _choose_batch(recipe, num_images, world_size, on_cpu)
    _choose_length(recipe, num_images, world_size, on_cpu, pretrained)
    _choose_optimizer(recipe, num_images, world_size, pretrained)
    _choose_contrast(recipe, num_images, world_size)
    _choose_hierarchy(recipe, num_images)
    _choose_workers(recipe, on_cpu, cores)
    _check_together(recipe.values, num_images, world_size)
    return Recipe(**recipe.values, reasons=recipe.reasons)


class _Draft:
    """A recipe in the making: values and reasons by name."""

    def __init__(self, by_hand: Mapping[str, Any]) -> None:
        self._by_hand = by_hand
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def put(self, name: str, value: Any, reason: str) -> Any:
        """Settle a value, or the one that was given by hand; returns it."""
        if name in self._by_hand:
            value, reason = self._by_hand[name], f"set by hand; {value} would have been: {reason}"
        self.values[name], self.reasons[name] = value, reason
        return value
