"""From the number of images, their sizes and the machine to every value that a config needs.

Plain arithmetic, without a look at a disk. Each value comes with a line that says how it was got; a
value given by hand stays as it is, and those that are derived from it follow. docs/recipe.md has
the measurements behind the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..clustering import check_num_prototypes, default_seeding
from ..errors import HCSCError

_SMALL = 40  # pixels; images of fewer get a stem that does not shrink them
_SIDES = {"cpu": 64, "accelerator": 224}
_STEPS = {"cpu": 1000, "accelerator": 20000}
_STEPS_OF_A_PROJECTION = 400
_LARGEST_BATCH = {"cpu": 64, "accelerator": 256}
_MOST_EPOCHS = 400
_IMAGES_PER_SPLIT = 16  # as on each of MoCo's GPUs; fewer make the statistics noisy
_STEPS_APART = 40  # of clusterings and of checkpoints, at least
_CROP = 0.2  # of the area, the smallest crop of a view: a side of √0.2 = 1 / 2.24


@dataclass(frozen=True)
class Material:
    """What a recipe is fitted to.

    Attributes:
        num_images: N, at least 8.
        sizes: Height and width in pixels of some of the images, at least one.
        device: 'cpu', or anything else for an accelerator.
        cores: Processor cores for this process and its loader workers.
        world_size: Number of processes that train together.
        trained: Whether the backbone starts from trained weights.
        frozen: Whether it also stays as it is, so that the projection alone is trained.
    """

    num_images: int
    sizes: Sequence[tuple[int, int]]
    device: str = "cpu"
    cores: int = 2
    world_size: int = 1
    trained: bool = False
    frozen: bool = False

    @property
    def kind(self) -> str:
        """'cpu' or 'accelerator'."""
        return "cpu" if self.device == "cpu" else "accelerator"

    @property
    def side(self) -> int:
        """Shorter side of the median image in pixels."""
        return round(median(min(size) for size in self.sizes))


@dataclass(frozen=True)
class Recipe:
    """Settings of a run.

    Attributes:
        values: Name → value; the names are those at the top of ``configs/hcsc_folder.py``.
        reasons: Name → how the value was got.
    """

    values: Mapping[str, Any]
    reasons: Mapping[str, str]

    def lines(self) -> list[str]:
        """For the log: a line per value, with its arithmetic."""
        return [
            f"{name} = {_shown(value)}: {self.reasons[name]}" for name, value in self.values.items()
        ]


def _shown(value: Any) -> str:
    return f"of {len(value)} parameters" if isinstance(value, Mapping) else str(value)


def fit_recipe(material: Material, by_hand: Mapping[str, Any] | None = None) -> Recipe:
    """Derive the settings of a run.

    Args:
        material: What they are to fit.
        by_hand: Values by name that stay as they are. What is derived from them follows.

    Raises:
        HCSCError: there are fewer than 8 images, or the values by hand do not go together.
    """
    if material.num_images < 8:
        raise HCSCError(
            f"{material.num_images} images are too few to learn from; the recipe needs at least 8"
        )
    draft = _Draft(by_hand or {})
    _choose_network(draft, material)
    _choose_batch(draft, material)
    _choose_length(draft, material)
    _choose_optimizer(draft, material)
    _choose_contrast(draft, material)
    _choose_hierarchy(draft, material)
    return Recipe(draft.values, draft.reasons)


class _Draft:
    """A recipe in the making."""

    def __init__(self, by_hand: Mapping[str, Any]) -> None:
        self._by_hand = by_hand
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def put(self, name: str, value: Any, reason: str) -> Any:
        """Settle a value, or the one that was given by hand; returns it."""
        if name in self._by_hand:
            reason = f"set by hand; the recipe's would be {value}, {reason}"
            value = self._by_hand[name]
        self.values[name], self.reasons[name] = value, reason
        return value


def _choose_network(draft: _Draft, material: Material) -> None:
    side, most = material.side, _SIDES[material.kind]
    least, step = 16, 4 if side < 64 else 32
    if material.trained:  # networks of photographs, which shrink views by 32
        least, most, step = 64, max(128, most), 32
    size = draft.put(
        "image_size",
        max(least, min(most, side // step * step)),
        f"the median image's shorter side is {side} pixels; {least} to {most} on this device, in "
        f"steps of {step}",
    )
    short_side = draft.put(
        "short_side",
        math.ceil(size / math.sqrt(_CROP)),
        f"{size} / √{_CROP}: larger images are shrunk to it once, and the smallest crop still has "
        "a view's pixels",
    )
    draft.put(
        "long_side",
        2 * short_side,
        f"2 × {short_side}: a longer image is shrunk to it, as it would widen its whole batch",
    )
    small = size < _SMALL
    if not material.trained:
        draft.put(
            "small_stem",
            small,
            f"views of fewer than {_SMALL} pixels get a stem that does not shrink them by 4",
        )
        width = 64 if material.kind == "accelerator" else (16 if small else 32)
        draft.put("base_channels", width, "64 on an accelerator; on a CPU 32, with a small stem 16")
    draft.put("blur_prob", 0.0 if small else 0.5, f"no blur on views of fewer than {_SMALL} pixels")


def _choose_batch(draft: _Draft, material: Material) -> None:
    images, most = material.num_images, _LARGEST_BATCH[material.kind]
    if material.frozen:
        most = _LARGEST_BATCH["accelerator"]
    share = images // 4 // material.world_size
    batch = draft.put(
        "batch_size",
        max(2, min(most, 2 ** int(math.log2(max(2, share))))),
        f"a power of 2, at most {most} on this device and a quarter of the {images} images"
        + _over(material.world_size),
    )
    _check_batch(batch, material)
    if not material.trained:
        wanted = max(2, batch // _IMAGES_PER_SPLIT)
        splits = max(n for n in range(1, wanted + 1) if batch % n == 0)
        draft.put(
            "num_splits",
            splits,
            f"parts of the batch with statistics of their own: of {_IMAGES_PER_SPLIT} images, at "
            "least 2 parts",
        )
    fits = images <= 1000
    workers = 0 if fits else max(1, min(4, material.cores // material.world_size - 1))
    draft.put(
        "num_workers",
        workers,
        f"0 up to 1,000 images, which are in memory at once; else one fewer than the "
        f"{material.cores} cores, 1 to 4" + _over(material.world_size),
    )


def _choose_length(draft: _Draft, material: Material) -> None:
    total = draft.values["batch_size"] * material.world_size
    per_epoch = max(1, material.num_images // total)
    steps = _STEPS_OF_A_PROJECTION if material.frozen else _STEPS[material.kind]
    epochs = draft.put(
        "max_epochs",
        min(_MOST_EPOCHS, math.ceil(steps / per_epoch)),
        f"{steps:,} steps of {per_epoch} an epoch, at most {_MOST_EPOCHS} epochs",
    )
    every = draft.put(
        "every_epochs",
        min(epochs, math.ceil(_STEPS_APART / per_epoch)),
        f"from one clustering, and one checkpoint, to the next: at least {_STEPS_APART} steps",
    )
    rise = draft.put(
        "lr_warmup",
        max(1, min(100, epochs * per_epoch // 5)),
        "steps in which the learning rate rises from nearly 0: 100, at most a fifth of the run; "
        "without them the embeddings collapse",
    )
    first = max(math.ceil(epochs / 10), math.ceil(rise / per_epoch))
    draft.put(
        "warmup_epochs",
        min(math.ceil(first / every) * every, max(0, epochs - 1)),
        "MoCo v2 before the first clustering: a tenth of the epochs, and until the learning rate "
        "is up",
    )
    draft.put(
        "grace_epochs",
        min(epochs, math.ceil(3 * rise / per_epoch)),
        f"a collapse stops the run, but not within 3 × {rise} steps, in which embeddings may "
        "still spread",
    )


def _choose_optimizer(draft: _Draft, material: Material) -> None:
    total = draft.values["batch_size"] * material.world_size
    base = 0.06 if material.trained else 0.12
    draft.put("lr", base * total / 256, f"{base} × the total batch of {total} / 256")
    draft.put("weight_decay", 1e-4, "MoCo v2's")
    draft.put("momentum", 0.01, "share of the query encoder at the start: a short run follows fast")
    if material.trained:
        draft.put("momentum_end", 0.01, "and at the end: it stays, the features are there already")
        return
    draft.put(
        "momentum_end",
        0.001,
        "and at the end, along a cosine (solo-learn's MoCo v2+: m from 0.99 to 0.999)",
    )


def _choose_contrast(draft: _Draft, material: Material) -> None:
    images, total = material.num_images, draft.values["batch_size"] * material.world_size
    batches = 4 if material.trained else 16
    half = images // 2 // total * total
    queue = draft.put(
        "queue_len",
        max(total, min(batches * total, half)),
        f"keys of the last {batches} steps of {total}, and of at most half of the {images} images",
    )
    if queue < total:
        raise HCSCError(
            f"queue_len={queue} is below the total batch of {total}; give at least {total}"
        )
    draft.put(
        "temperature",
        0.07 if material.trained else 0.2,
        "MoCo v2's 0.2 from scratch, where 0.1 spread less; MoCo's 0.07 on trained features",
    )


def _choose_hierarchy(draft: _Draft, material: Material) -> None:
    images = material.num_images
    finest = max(min(8, images // 4), min(3000, images // 10))
    levels = [finest]
    while len(levels) < 3 and round(levels[-1] / 3) >= 3:
        levels.append(round(levels[-1] / 3))
    levels = draft.put(
        "num_prototypes",
        tuple(levels),
        f"finest first: {images} images / 10, 8 to 3,000, and a third of each on the next of at "
        "most 3 levels",
    )
    check_num_prototypes(tuple(levels), images)
    if material.trained:
        draft.put(
            "seeding",
            default_seeding(images),
            "what each clustering begins with: Ward's clusters of up to 4,096 images, whose trees "
            "of trained features are better, beyond that k-means++",
        )


def _check_batch(batch: int, material: Material) -> None:
    total = batch * material.world_size
    if batch < 1 or total > material.num_images:
        raise HCSCError(
            f"batch_size={batch}{_over(material.world_size)} and {material.num_images} images do "
            f"not go together; give 1 to {material.num_images // material.world_size}"
        )


def _over(world_size: int) -> str:
    return f", over {world_size} processes" if world_size > 1 else ""
